"""Means and deviations with models taken out again, against a recomputation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from leakbench.signals.models import Models, Moments
from leakbench.signals.types import Signals

worlds = st.tuples(
    st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 3), st.sampled_from([1.0, 1e4]), st.booleans()
)


@settings(max_examples=150, deadline=None)
@given(worlds, st.data())
def test_taking_models_out_equals_recomputing(world, data) -> None:
    seed, m, v, scale, coarse = world
    rng = np.random.default_rng(seed)
    losses = rng.normal(size=(m, v, 12)) * scale + scale
    losses = np.round(losses / scale) * scale if coarse else losses  # ties
    members = rng.random((m, 12)) < rng.choice([0.2, 0.5, 0.9])
    models = Models(Signals(losses=losses), members, np.ones_like(members))
    out = data.draw(st.sets(st.integers(0, m - 1), max_size=m))
    rest = np.setdiff1d(np.arange(m), sorted(out))
    for inside in (True, False):
        got = models.shadows(*sorted(out)).moments("loss", inside)
        want = Moments(np.zeros(12), np.zeros((v, 12)), np.zeros((v, 12)))
        if rest.size:
            want = Moments.over(losses[rest], members[rest] if inside else ~members[rest])
        np.testing.assert_array_equal(got.n, want.n)
        np.testing.assert_allclose(got.mean, want.mean, rtol=1e-9, atol=1e-10 * scale)
        np.testing.assert_allclose(got.m2, want.m2, rtol=1e-9, atol=1e-10 * scale**2)
        assert (
            (got.m2 >= 0).all() and (got.m2[:, got.n < 2] == 0).all() and (got.mean[:, got.n == 0] == 0).all()
        )


def test_moments_are_the_usual_ones() -> None:
    rng = np.random.default_rng(0)
    values, chosen = rng.normal(size=(9, 2, 30)), rng.random((9, 30)) < 0.6
    moments = Moments.over(values, chosen)
    for x in range(30):
        mine = values[chosen[:, x], :, x]
        np.testing.assert_allclose(moments.mean[:, x], mine.mean(axis=0))
        np.testing.assert_allclose(moments.m2[:, x], mine.var(axis=0) * len(mine))


def test_some_records_of_a_target() -> None:
    rng = np.random.default_rng(1)
    signals = Signals(
        rng.integers(0, 3, 20), rng.normal(size=(4, 2, 20, 3)), scores=rng.normal(size=(4, 2, 20))
    )
    target = Models(signals, np.zeros((4, 20), bool), np.ones((4, 20), bool)).target(2)
    records = np.array([7, 3, 3])
    for name in ("loss", "entropy", "score"):
        assert np.array_equal(target.at(records).statistic(name), target.statistic(name)[:, records])
    assert np.array_equal(target.at(records).labels, target.labels[records])
    assert target.at(records).n_records == 3
