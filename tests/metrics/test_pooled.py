"""The best threshold over many models' scores, a model at a time, is that of all of them sorted at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakbench.core.errors import InputError
from leakbench.metrics.statistics import pooled_threshold as pooled
from leakbench.metrics.statistics.pooled_threshold import PooledScores
from leakbench.metrics.statistics.roc import best_threshold


def pool(scores: list[np.ndarray], members: list[np.ndarray]) -> PooledScores:
    return PooledScores(lambda m: (scores[m], members[m]), len(scores))


def at_once(scores: list[np.ndarray], members: list[np.ndarray], models: list[int]) -> float | None:
    inside = np.concatenate([members[m] for m in models])
    if inside.all() or not inside.any():
        return None
    return best_threshold(np.concatenate([scores[m] for m in models]), inside)


@given(st.data(), st.integers(1, 12), st.sampled_from([1, 2, 5, 40]), st.sampled_from([2, 10, 1000]))
def test_equals_the_threshold_of_all_at_once(data, n_models: int, edges: int, distinct: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    sizes = [data.draw(st.integers(0, 30)) for _ in range(n_models)]
    sizes[0] += 2  # some score at all
    members = [rng.random(n) < 0.5 for n in sizes]
    shift = data.draw(st.sampled_from([-2.0, 0.0, 0.5, 2.0]))
    scores = [np.floor((rng.normal(size=m.size) + shift * m) * distinct) for m in members]
    chosen = sorted(data.draw(st.sets(st.integers(0, n_models - 1), min_size=1)))
    with pytest.MonkeyPatch.context() as few:
        few.setattr(pooled, "EDGES", edges)
        few.setattr(pooled, "LOOKED_AT", 2)
        few.setattr(pooled, "AT_ONCE", 20)
        assert pool(scores, members).best_threshold(chosen) == at_once(scores, members, chosen)


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_few_scores_are_looked_at(shift: float) -> None:
    rng = np.random.default_rng(0)
    members = [rng.random(20_000) < 0.5 for _ in range(8)]
    scores = [rng.normal(size=m.size) + shift * m for m in members]
    pooled_scores, sizes = pool(scores, members), []
    within = pooled_scores._within

    def counting(*args) -> np.ndarray:
        sizes.append(within(*args).size)
        return within(*args)

    pooled_scores._within = counting
    assert pooled_scores.best_threshold(range(8)) == at_once(scores, members, range(8))
    assert 0 < sum(sizes) < 8 * 20_000 / 10


def test_a_score_that_is_no_number_is_refused() -> None:
    scores = [np.array([0.0, np.nan, 1.0])]
    with pytest.raises(InputError, match="scores must be finite"):
        pool(scores, [np.array([True, False, True])]).best_threshold([0])
