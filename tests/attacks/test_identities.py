"""What must hold exactly, or in closed form."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import spearmanr

from leakbench.attacks import ATTACKS
from leakbench.evaluation.scoring import score_targets
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import auc, noise_sd, world


def test_gap_attack_is_half_plus_half_the_gap() -> None:
    models = world(m=4, n=501)
    correct = models.signals.statistics("correct")[:, 0]
    decided = score_targets(ATTACKS.make("gap"), models, range(4), seed=0).decided
    for m in range(4):
        inside = models.members[m]
        gap = correct[m, inside].mean() - correct[m, ~inside].mean()
        balanced = (decided[m, inside].mean() + (~decided[m, ~inside]).mean()) / 2
        assert balanced == pytest.approx(0.5 + gap / 2, abs=1e-15)


@pytest.mark.parametrize("views", [1, 3])
def test_rmia_at_gamma_one_ranks_as_the_ratio_does(views: int) -> None:
    models = world(v=views, population=0)
    rng = np.random.default_rng(0)
    rmia = ATTACKS.make({"name": "rmia", "gamma": 1.0}).score(models.target(0), models.shadows(0), rng)
    base = ATTACKS.make("base").score(models.target(0), models.shadows(0), rng)
    n = base.size
    assert np.array_equal(rmia, np.searchsorted(np.sort(base), base, side="right") / n)
    assert np.array_equal(np.argsort(rmia, kind="stable"), np.argsort(base, kind="stable"))


def two_gaussians(d: float, m: int, n: int, never: int = 0) -> Models:
    """Log-odds N(mu_x + d, 1) of models that saw x, N(mu_x, 1) of others, as logits of two classes.

    The first `never` records are in no model.
    """
    rng = np.random.default_rng(0)
    members = (rng.random((m, n)) < 0.5) & (np.arange(n) >= never)
    phi = rng.normal(size=(m, n)) + rng.normal(size=n) * 3 + d * members
    z = np.stack([phi, np.zeros_like(phi)], axis=-1)[:, None]
    return Models(Signals(np.zeros(n, dtype=int), z), members, np.ones_like(members))


@pytest.mark.parametrize("variance", ["example", "global", "shrunken"])
@pytest.mark.parametrize("name", ["lira", "lira_offline"])
def test_lira_reaches_the_closed_form_of_two_gaussians(name: str, variance: str) -> None:
    d, m, n = 1.0, 512, 400
    models = two_gaussians(d, m, n)
    attack = ATTACKS.make({"name": name, "variance": variance})
    scores = np.stack(
        [attack.score(models.target(k), models.shadows(k), np.random.default_rng(0)) for k in range(20)]
    )
    members = models.members[:20]
    noise = 1 + 2 / m  # the estimated means add 1 / n_out, or the like, to the variance
    expected = ndtr(d / np.sqrt(2 * noise))
    assert abs(auc(scores, members) - expected) < 4 * noise_sd(members.sum(), (~members).sum())
    if name == "lira":
        balanced = ((scores >= 0)[members].mean() + (scores < 0)[~members].mean()) / 2
        assert balanced == pytest.approx(ndtr(d / 2), abs=0.02)


def test_one_sided_offline_beats_two_sided() -> None:
    """A record that is unusually *wrong* is no member: with d = 1 the two-sided form reads 0.637, not 0.760."""
    models = two_gaussians(1.0, 128, 2000)
    one_sided = ATTACKS.make("lira_offline").score(
        models.target(0), models.shadows(0), np.random.default_rng(0)
    )
    assert auc(one_sided, models.members[0]) > 0.72


def test_shrinkage_lies_between_its_ends() -> None:
    models = two_gaussians(1.0, 12, 200)

    def score(variance: str, prior: float = 8.0) -> np.ndarray:
        attack = ATTACKS.make({"name": "lira", "variance": variance, "prior_models": prior})
        return attack.score(models.target(0), models.shadows(0), np.random.default_rng(0))

    np.testing.assert_allclose(score("shrunken", 1e9), score("global"), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(score("shrunken", 1e-9), score("example"), rtol=1e-5, atol=1e-6)


def test_a_record_that_was_never_in_takes_the_shift_of_the_others() -> None:
    """The true shift is d for all records, so the likelihood ratio is d (phi - mu - d / 2) for such a record too."""
    d, never = 3.0, 100
    models = two_gaussians(d, 400, 400, never=never)
    attack = ATTACKS.make({"name": "lira", "variance": "global"})
    scores = attack.score(models.target(0), models.shadows(0), np.random.default_rng(0))
    phi = models.signals.statistics("logodds")[:, 0, :never]
    expected = d * (phi[0] - phi[1:].mean(axis=0) - d / 2)
    assert np.abs(scores[:never] - expected).max() < 0.3
    assert (scores[:never] < 0).mean() == pytest.approx(ndtr(d / 2), abs=0.1)


@pytest.mark.parametrize("name", ["lira", "lira_offline", "calibration", "attack_r", "mast"])
def test_a_temperature_that_shadow_models_share_changes_no_ranks(name: str) -> None:
    models = world(c=2)  # with two classes the log-odds are scaled, exactly
    hot = Models(Signals(models.signals.labels, models.signals.logits / 4), models.members, models.audited)
    attack = ATTACKS.make({"name": name, "statistic": "logodds"})
    scores = [attack.score(w.target(0), w.shadows(0), np.random.default_rng(0)) for w in (models, hot)]
    assert spearmanr(*scores).statistic > 1 - 1e-9
    assert auc(scores[0], models.members[0]) == pytest.approx(auc(scores[1], models.members[0]), abs=1e-9)
