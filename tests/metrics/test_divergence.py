"""The Jensen-Shannon distance: closed forms, centred where nothing differs, an interval that covers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from leakbench.core.errors import InputError
from leakbench.metrics.statistics.divergence import divergence, js_distance, shares
from leakbench.metrics.statistics.loss_traces import loss_trace_iqr
from leakbench.signals.types import Array, Bools

BINS = 30


def slow_divergence(p: Array, q: Array) -> float:
    """Lin 1991, a bin at a time."""
    total = 0.0
    for a, b in zip(p, q, strict=True):
        m = (a + b) / 2
        total += a * math.log2(a / m) / 2 if a > 0 else 0.0
        total += b * math.log2(b / m) / 2 if b > 0 else 0.0
    return total


@given(hnp.arrays(np.int64, (2, 7), elements=st.integers(0, 50)))
def test_the_divergence_is_the_definition(counts: np.ndarray) -> None:
    counts = counts + (counts.sum(axis=1, keepdims=True) == 0)
    p, q = counts / counts.sum(axis=1, keepdims=True)
    assert divergence(p, q) == pytest.approx(slow_divergence(p, q), abs=1e-12)
    assert 0 <= divergence(p, q) <= 1


def test_only_audited_pairs_count() -> None:
    bins, members = np.array([[0, 1, 2, 2]]), np.array([[True, True, False, False]])
    p, q = shares(bins, members, np.array([[True, False, True, True]]), 3)
    assert p.tolist() == [1, 0, 0] and q.tolist() == [0, 0, 1]


def design(targets: int, records: int, rng: np.random.Generator) -> Bools:
    """Complementary pairs of targets, each trained on a random half."""
    halves = [rng.permutation(np.arange(records) % 2 == 0) for _ in range(max(1, targets // 2))]
    return np.concatenate([np.stack([h, ~h]) for h in halves])[:targets]


def drawn(targets: int, records: int, d: float, rng: np.random.Generator) -> tuple[np.ndarray, Bools]:
    """Bins of Gaussian values, members d higher; several targets share records, and differ between themselves."""
    members = design(targets, records, rng)
    of_model, of_record = (0.09, 0.36) if targets > 1 else (0.0, 0.0)
    z = d * members + math.sqrt(1 - of_model - of_record) * rng.standard_normal(members.shape)
    z += math.sqrt(of_model) * rng.standard_normal((targets, 1))
    z += math.sqrt(of_record) * rng.standard_normal((1, records))
    return np.clip(((z + 3.5) / 8 * BINS).astype(int), 0, BINS - 1), members


def truth(d: float) -> float:
    edges = np.linspace(-3.5, 4.5, BINS + 1)
    edges[[0, -1]] = -np.inf, np.inf
    return math.sqrt(slow_divergence(np.diff(norm.cdf(edges, d)), np.diff(norm.cdf(edges))))


def many(targets: int, records: int, d: float, studies: int = 80) -> list:
    rng = np.random.default_rng(7)
    everywhere = np.ones((targets, records), dtype=bool)
    worlds = (drawn(targets, records, d, rng) for _ in range(studies))
    return [js_distance(bins, members, everywhere, BINS, rng) for bins, members in worlds]


@pytest.mark.parametrize("targets", [1, 8])
def test_equal_distributions_are_0_apart_on_average_where_the_plain_distance_is_not(targets: int) -> None:
    found = many(targets, 400, 0.0)
    values = np.array([f.value for f in found])
    plain = np.mean([f.uncorrected for f in found])
    assert abs(np.mean(values)) < 3.5 * values.std() / math.sqrt(values.size)
    assert plain > 5 * abs(np.mean(values)) and plain > (0.15 if targets == 1 else 0.06)


@pytest.mark.parametrize(("targets", "d"), [(1, 0.0), (1, 1.0), (8, 0.0), (8, 0.3), (8, 1.0), (8, 2.5)])
def test_the_interval_covers(targets: int, d: float) -> None:
    found = many(targets, 400, d)
    covered = np.mean([f.lo <= truth(d) <= f.hi for f in found])
    assert covered >= 0.9
    assert all(f.lo <= f.value <= f.hi for f in found)
    assert np.mean([f.value for f in found]) == pytest.approx(truth(d), abs=0.03)


def test_histograms_without_a_common_bin_are_1_apart_and_equal_answers_0() -> None:
    members, audited = np.arange(200) % 2 == 0, np.ones((1, 200), dtype=bool)
    apart = js_distance(members[None] * 1, members[None], audited, 2, np.random.default_rng(0))
    assert apart.value == pytest.approx(1.0) and apart.lo < 1.0 == apart.hi
    alike = js_distance(np.zeros((1, 200), int), members[None], audited, BINS, np.random.default_rng(0))
    assert alike.value == 0.0 and alike.lo < 0 < alike.hi < 0.2


def test_records_that_are_audited_in_other_targets_do_not_mix() -> None:
    """Two halves of the records with answers of their own: chance does not take a record across."""
    rng = np.random.default_rng(0)
    audited = np.zeros((2, 400), dtype=bool)
    audited[0, :200] = audited[1, 200:] = True
    members = audited & (np.arange(400) % 2 == 0)
    bins = np.broadcast_to(np.arange(400) // 200, (2, 400))
    assert js_distance(bins, members, audited, 2, rng).value == 0.0


def test_the_range_between_the_quartiles_of_a_trace_is_that_of_the_definition() -> None:
    traces = np.array([[4.0, 1.0], [3.0, 1.0], [2.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    assert loss_trace_iqr(traces).tolist() == [2.0, 0.0]
    x = np.sort(
        np.random.default_rng(0).exponential(size=9)
    )  # 9 epochs: quartiles are the 3rd and 7th values
    assert loss_trace_iqr(x[:, None])[0] == pytest.approx(x[6] - x[2])


def test_an_epoch_that_a_record_sat_out_does_not_count() -> None:
    traces = np.array([[4.0, 1.0], [np.nan, 1.0], [2.0, 1.0], [0.0, 1.0]])
    assert loss_trace_iqr(traces).tolist() == [2.0, 0.0]


@pytest.mark.parametrize(
    "traces",
    [np.zeros(5), np.zeros((1, 5)), np.zeros((5, 0)), np.full((3, 2), np.nan), np.full((3, 2), np.inf)],
)
def test_traces_that_tell_nothing_are_refused(traces: Array) -> None:
    with pytest.raises(InputError, match="traces must be"):
        loss_trace_iqr(traces)
