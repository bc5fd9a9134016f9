"""The statistics against 60-digit references, at extremes too."""

from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakbench.core.errors import InputError
from leakbench.signals.statistics import LABEL_FREE, LOG_FLOOR, STATISTICS, log_softmax
from leakbench.signals.types import Signals

getcontext().prec = 60
EXTREMES = [
    [1e4, -1e4, 0.0],
    [-1e4, 1e4, 0.0],
    [1e4, 1e4, -1e4],
    [0.0, -np.inf, -np.inf],  # p = 1
    [-np.inf, 0.0, -np.inf],  # p = 0
    [0.0, 0.0, 0.0],
    [-700.0, -745.0, -800.0],
]


def reference(name: str, z: list[float], y: int) -> float:
    """The statistic of one answer from its definition; 1 - f_c is the sum of the others, so that it is exact."""
    top = max(map(Decimal, z))
    e = [(Decimal(v) - top).exp() for v in z]
    s = sum(e)
    f = [v / s for v in e]
    rest = [sum(f[:c] + f[c + 1 :]) for c in range(len(f))]
    p, q = f[y], rest[y]
    others = [c for c in range(len(f)) if c != y]
    if name == "loss":
        return float(
            -p.ln() if p < Decimal("0.5") else q + q**2 / 2 if q < Decimal("1e-25") else -(1 - q).ln()
        )
    if name == "confidence":
        return float(p)
    if name == "logodds":
        return float(p.ln() - q.ln())
    if name == "hinge":
        return float(Decimal(z[y]) - max(Decimal(z[c]) for c in others))
    if name == "entropy":
        return float(sum(-v * v.ln() for v in f))
    if name == "modified_entropy":
        return float(-q * p.ln() - sum(f[c] * rest[c].ln() for c in others))
    if name == "top_confidence":
        return float(max(f))
    return float(z.index(max(z)) == y)


logits = st.integers(2, 6).flatmap(
    lambda c: st.tuples(
        st.lists(
            st.floats(-40, 40) | st.sampled_from([-1e4, -300.0, 0.0, 300.0, 1e4]), min_size=c, max_size=c
        ),
        st.integers(0, c - 1),
    )
)


@settings(max_examples=60, deadline=None)
@given(logits)
@pytest.mark.parametrize("name", STATISTICS)
def test_equals_the_definition(name: str, answer: tuple[list[float], int]) -> None:
    z, y = answer
    got = STATISTICS[name](np.array([z]), np.array([y]))[0]
    smallest = 1e-11 if name in ("logodds", "hinge") else 1e-50  # these are differences, which may cancel
    assert got == pytest.approx(reference(name, z, y), rel=1e-11, abs=smallest)


def test_a_tiny_loss_keeps_its_digits() -> None:
    z = np.array([[50.0, 0.0]])
    assert STATISTICS["loss"](z, np.array([0]))[0] == pytest.approx(np.exp(-50.0), rel=1e-14)
    assert STATISTICS["entropy"](z, np.array([0]))[0] == pytest.approx(51 * np.exp(-50.0), rel=1e-14)


@pytest.mark.parametrize("name", STATISTICS)
def test_extremes_are_finite(name: str) -> None:
    z = np.array(EXTREMES)
    for y in range(3):
        assert np.isfinite(STATISTICS[name](z, np.full(len(z), y))).all()


@pytest.mark.parametrize("name", STATISTICS)
def test_views_are_independent_and_inputs_untouched(name: str) -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(3, 5, 4)) * 5, rng.integers(0, 4, 5)
    before = z.copy()
    z.setflags(write=False)
    y.setflags(write=False)
    together = STATISTICS[name](z, y)
    assert together.shape == (3, 5)
    assert np.array_equal(z, before)
    for v in range(3):
        assert np.array_equal(together[v], STATISTICS[name](z[v], y))


@pytest.mark.parametrize("name", STATISTICS)
def test_a_constant_added_to_the_logits_changes_nothing(name: str) -> None:
    rng = np.random.default_rng(1)
    z, y = np.round(rng.normal(size=(200, 5)) * 8 * 1024) / 1024, rng.integers(0, 5, 200)  # z + 4096 is exact
    assert np.array_equal(STATISTICS[name](z, y), STATISTICS[name](z + 4096.0, y))
    assert STATISTICS[name](z, y) == pytest.approx(STATISTICS[name](log_softmax(z), y), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", sorted(LABEL_FREE))
def test_label_free_statistics_ignore_the_label(name: str) -> None:
    z = np.random.default_rng(2).normal(size=(50, 4))
    assert np.array_equal(STATISTICS[name](z, np.zeros(50, int)), STATISTICS[name](z, np.full(50, 3)))


def test_song_and_mittal_s_formula() -> None:
    z = np.log([[0.8, 0.2], [0.2, 0.8]])
    got = STATISTICS["modified_entropy"](z, np.array([0, 0]))
    reference = [-0.2 * np.log(0.8) - 0.2 * np.log(0.8), -0.8 * np.log(0.2) - 0.8 * np.log(0.2)]
    assert got == pytest.approx(reference)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_statistics_of_a_bare_loss(dtype: type) -> None:
    loss = np.array([0.0, 1e-6, 0.3, 5.0, 800.0], dtype=dtype)
    signals = Signals(losses=loss[None, None])
    assert np.array_equal(signals.statistics("loss")[0, 0], loss)
    exact = loss.astype(np.float64)[1:]
    phi = signals.statistics("logodds")[0, 0]
    assert phi[1:] == pytest.approx(-exact - np.log(-np.expm1(-exact)))
    assert phi[0] == pytest.approx(-np.log(np.finfo(dtype).eps / 2))  # a loss that rounded to 0
    assert (np.diff(phi) < 0).all()
    assert signals.statistics("confidence")[0, 0, 1:] == pytest.approx(np.exp(-exact))


def test_without_labels_the_loss_is_the_one_given() -> None:
    given_loss = np.array([[[1.0, 2.0, 3.0]]])
    signals = Signals(logits=np.zeros((1, 1, 3, 4)), losses=given_loss)
    assert np.array_equal(signals.statistics("loss"), given_loss)
    assert signals.offers("entropy") and not signals.offers("hinge") and not signals.offers("labels")


def test_a_statistic_that_cannot_be_had_is_refused() -> None:
    for name in ("entropy", "score", "labels", "nonsense"):
        with pytest.raises(InputError, match=f"{name!r} cannot be computed"):
            Signals(losses=np.ones((1, 1, 3))).statistic(name, 0)


def test_a_probability_of_zero_is_floored() -> None:
    z = np.array([[0.0, -np.inf]])
    assert STATISTICS["logodds"](z, np.array([0]))[0] == pytest.approx(-LOG_FLOOR)
    assert STATISTICS["loss"](z, np.array([1]))[0] == pytest.approx(-LOG_FLOOR)


def test_statistics_are_cached_and_read_only() -> None:
    signals = Signals(np.array([0, 1]), np.zeros((2, 1, 2, 3), dtype=np.float32))
    first = signals.statistic("loss", 1)
    assert signals.statistic("loss", 1) is first and not first.flags.writeable and first.dtype == np.float64
