"""Quantile regression: what it learns from, its scores against plain loops over the trees, and noise."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from leakbench import audit
from leakbench.attacks import ATTACKS
from leakbench.attacks.quantile_regression import QuantileRegression
from leakbench.core.errors import InputError
from leakbench.evaluation.measure import Case, attack_all
from leakbench.evaluation.scoring import applicable, cross_fitted, score_targets
from leakbench.metrics.auc import Auc
from leakbench.signals.features import COMPONENTS, components
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import auc, noise_sd, world


def alone(leak: float, seed: int = 0, n: int = 800, hardness: float = 2.0) -> Models:
    """One target without a population whose records differ in how hard they are, which a feature tells."""
    rng = np.random.default_rng(seed)
    members, f = rng.random((1, n)) < 0.5, rng.normal(size=(n, 3))
    phi = hardness * f[:, 0] + (1 + (f[:, 1] > 0)) * rng.normal(size=n) + leak * members[0]
    losses = np.log1p(np.exp(-phi))[None, None]
    return Models(Signals(np.arange(n) % 3, losses=losses, features=f), members, np.ones((1, n), dtype=bool))


def test_scores_are_standardised_by_the_non_members_in_the_same_leaves() -> None:
    models = world(n=90, m=2, population=150)
    target = models.target(1)
    got = QuantileRegression(trees=7, leaf=4).score(target, None, np.random.default_rng(3))
    seed = int(np.random.default_rng(3).integers(2**31))
    known = [
        np.column_stack([t.signals.features, *(t.labels == c for c in range(5))])
        for t in (target.population, target)
    ]
    phi = [t.statistic("logodds").mean(axis=0) for t in (target.population, target)]
    z = (phi[0] - phi[0].mean()) / phi[0].std()
    trees = ExtraTreesRegressor(7, min_samples_leaf=4, max_features=1 / 3, random_state=seed)
    trees.fit(known[0], np.stack([z, z**2], axis=1))
    learned, asked = trees.apply(known[0]), trees.apply(known[1])
    want = np.empty(90)
    for n in range(90):
        leaves = [z[learned[:, t] == asked[n, t]] for t in range(7)]
        assert min(map(len, leaves)) >= 4
        mean, square = (
            np.mean([leaf.mean() for leaf in leaves]),
            np.mean([(leaf**2).mean() for leaf in leaves]),
        )
        own = (phi[1][n] - phi[0].mean()) / phi[0].std()
        want[n] = (own - mean) / np.sqrt(max(square - mean**2, 0.01))
    np.testing.assert_allclose(got, want, rtol=1e-9)


@pytest.mark.parametrize("quantile", [None, 0.8])
def test_more_memorisation_more_auc_and_more_than_by_the_loss(quantile: float | None) -> None:
    attack, found = QuantileRegression(quantile=quantile, trees=15), []
    for leak in (0.0, 0.7, 2.0):
        models = alone(leak)
        scores = score_targets(attack, models, [0], seed=0).scores[0]
        assert np.isfinite(scores).all()
        found.append(auc(scores, models.members[0]))
    members = models.members[0]
    assert abs(found[0] - 0.5) < 3.29 * noise_sd(members.sum(), (~members).sum())
    assert found[0] + 0.1 < found[1] < found[2] - 0.1
    assert found[2] > auc(-models.signals.statistic("loss", 0)[0], members) + 0.05


def test_no_record_has_a_part_in_its_own_score_and_no_member_in_any() -> None:
    models, fits = alone(1.0, n=200), []
    losses, members = models.signals.statistic("loss", 0)[0], models.members[0]

    class Spy(QuantileRegression):
        def learned(self, non_members, rng):
            def score(target):
                fits.append((non_members.statistic("loss")[0], target.statistic("loss")[0]))
                return fits[-1][1]

            return score

    scores = cross_fitted(Spy(), models, 0, np.random.default_rng(0))
    for known, scored in fits:
        assert not np.isin(scored, known).any() and not np.isin(losses[members], known).any()
    assert sorted(np.concatenate([known for known, _ in fits])) == sorted(losses[~members])
    assert sorted(np.concatenate([scored for _, scored in fits])) == sorted(losses)
    assert sorted(scores[np.isin(losses, fits[0][1])]) == pytest.approx(
        (np.arange(len(fits[0][1])) + 0.5) / len(fits[0][1])
    )


def test_noise_is_at_chance_level_and_the_interval_says_so() -> None:
    found, beyond = [], 0
    for seed in range(24):
        models = alone(0.0, seed, n=300)
        attacked = attack_all(Case("none", models, (0,)), {"it": QuantileRegression(trees=5)}, seed)
        row = Auc().estimate(attacked.samples["it"])
        found.append(row.value)
        beyond += not row.lo <= 0.5 <= row.hi
    assert abs(np.mean(found) - 0.5) < 3.29 * noise_sd(150, 150) / np.sqrt(24)
    assert beyond <= 5  # of 24 intervals at 95 %


def test_an_audit_with_features_is_scored_in_full() -> None:
    models = alone(1.5, n=300)
    arrays = {
        "losses": models.signals.losses[0, 0],
        "members": models.members[0],
        "labels": models.signals.labels,
    }
    attacks = [{"name": "quantile_regression", "trees": 8}]
    (row,) = audit(**arrays, features=models.signals.features, attacks=attacks).find(
        metric="auc", slice="all", attack="quantile_regression"
    )
    assert row.lo > 0.6 and row.n_members + row.n_nonmembers == 300
    with pytest.raises(InputError, match="quantile_regression was left out: it needs features"):
        audit(**arrays, attacks=attacks)


def test_it_needs_features_and_non_members() -> None:
    attack, few = ATTACKS.make("quantile_regression"), alone(0.0, n=100)
    assert applicable(attack, few, [0]) == "it needs 40 non-members to learn from, and has 28"
    bare = replace(few, signals=replace(few.signals, features=None))
    assert applicable(attack, bare, [0]) == "it needs features of the records"


def test_records_become_at_most_so_many_numbers() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(70, 2, 5, 6)).astype(np.float32)
    rows = np.arange(5, 65)
    got = components(images, rows)
    assert got.shape == (60, COMPONENTS)
    flat = images[rows].reshape(60, -1).astype(np.float64)
    u, s, _ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(got[:, :3]), np.abs(u[:, :3] * s[:3]), rtol=0.02, atol=0.05)
    table = np.array([["a", "1.5"], ["b", ""], ["a", "2.5"]])
    np.testing.assert_array_equal(components(table), [[0, 1.5], [1, 2.0], [0, 2.5]])
