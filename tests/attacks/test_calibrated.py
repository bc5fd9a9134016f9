"""LiRA's ratio as a p-value under the OUT distribution of each record."""

import numpy as np
import pytest
from scipy import stats

from leakbench.attacks import ATTACKS
from leakbench.evaluation.scoring import score_targets
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import world


def test_p_is_the_share_of_draws_with_as_high_a_ratio() -> None:
    models = world(v=2, n=60)
    attack, shadows = ATTACKS.make("lira_calibrated"), models.shadows(0, 1)
    p = np.exp(-attack.score(models.target(0), shadows, np.random.default_rng(0)))
    phi = models.signals.statistics("logodds").mean(axis=1)[2:]
    members = models.members[2:]
    n = {side: (members == side).sum(axis=0) for side in (True, False)}
    mean = {side: np.where(members == side, phi, 0).sum(axis=0) / n[side] for side in n}
    squares = {side: np.where(members == side, (phi - mean[side]) ** 2, 0).sum(axis=0) for side in n}
    v = {
        side: (8 * squares[side].sum() / (n[side] - 1).sum() + squares[side]) / (8 + n[side] - 1)
        for side in n
    }

    def ratio(z: np.ndarray) -> np.ndarray:
        return stats.norm.logpdf(z, mean[True], np.sqrt(v[True])) - stats.norm.logpdf(
            z, mean[False], np.sqrt(v[False])
        )

    quantile = (np.arange(40_000)[:, None] + 0.5) / 40_000
    drawn = mean[False] + np.sqrt(v[False] * (1 + 1 / n[False])) * stats.t.ppf(quantile, 8 + n[False] - 1)
    own = models.signals.statistic("logodds", 0).mean(axis=0)
    np.testing.assert_allclose(p, (ratio(drawn) >= ratio(own)).mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_p_values_of_non_members_are_uniform(spread: float) -> None:
    rng = np.random.default_rng(0)
    half = rng.random((8, 3000)) < 0.5
    members = np.stack([half, ~half], axis=1).reshape(16, 3000)
    phi = spread * rng.normal(size=3000) + rng.normal(size=members.shape) + members
    models = Models(Signals(losses=np.logaddexp(0, -phi)[:, None]), members, np.ones_like(members))
    p = np.exp(-score_targets(ATTACKS.make("lira_calibrated"), models, range(16), 0).scores[~members])
    for level in (0.5, 0.1, 0.01, 0.001):
        assert (p <= level).mean() == pytest.approx(level, rel=0.1 + 4 / np.sqrt(level * p.size))
