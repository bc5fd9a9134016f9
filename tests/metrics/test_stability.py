"""Stability: a slow form, a closed form, and intervals that hold."""

import itertools

import numpy as np
import pytest
from scipy import stats

from leakbench.metrics import Sample
from leakbench.metrics.stability import Stability

from .samples import make_sample


def sample(seed: int, targets: int = 16, records: int = 1000, spread: float = 1.0, d: float = 1.0) -> Sample:
    """Scores whose mean differs between records by a normal variable of sd `spread`; members score d higher."""
    rng = np.random.default_rng(seed)
    half = rng.random((targets // 2, records)) < 0.5
    members = np.stack([half, ~half], axis=1).reshape(targets, records)
    scores = spread * rng.normal(size=records) + rng.normal(size=members.shape) + d * members
    model, record = np.indices(members.shape)
    return Sample(
        scores.ravel(), members.ravel(), model.ravel(), record.ravel(), np.zeros(members.size, bool)
    )


def slow(part: Sample, threshold: float) -> float:
    """Over all ordered pairs of two models that have the record: of those whose first is called, both are."""
    called: dict[int, list[bool]] = {}
    for record, score in zip(part.record, part.scores, strict=True):
        called.setdefault(int(record), []).append(bool(score >= threshold))
    pairs = [p for each in called.values() for p in itertools.permutations(each, 2)]
    return sum(a and b for a, b in pairs) / sum(a for a, _ in pairs)


def truth(d: float, fpr: float = 0.01) -> float:
    """E[p^2] / E[p], p the chance that a record is found whose mean is normal with sd 1."""
    tau = stats.norm.isf(fpr) * np.hypot(1, 1)
    u = np.linspace(-8, 8, 4001)
    weight, found = stats.norm.pdf(u), stats.norm.sf(tau - u - d)
    return float(weight @ found**2 / (weight @ found))


@pytest.mark.parametrize("seed", range(3))
def test_the_share_of_pairs_is_that_of_a_loop(seed: int) -> None:
    s = sample(seed, targets=6, records=300)
    threshold = s.roc.at_fpr(0.05).threshold
    assert Stability(0.05).estimate(s).value == pytest.approx(slow(s.member_part, threshold))


def test_union_and_intersection_are_those_of_a_loop() -> None:
    s = sample(0, targets=6, records=300)
    called = s.scores >= s.roc.at_fpr(0.05).threshold
    of = [called[s.members & (s.record == x)] for x in range(300)]
    detail = Stability(0.05).estimate(s).detail
    assert detail["coverage"] == np.mean([each.any() for each in of])
    assert detail["always"] == np.mean([each.all() for each in of])
    assert detail["models"] == 3


def test_intervals_hold_the_share_that_is_known_in_closed_form() -> None:
    """Over 40 draws a 95 % interval may miss 6 times (P < 0.01 if it holds)."""
    estimates = [Stability().estimate(sample(seed, records=600)) for seed in range(40)]
    assert sum(not e.lo <= truth(1.0) <= e.hi for e in estimates) <= 6


def test_records_that_are_alike_are_found_as_often_as_any() -> None:
    estimate = Stability(0.1).estimate(sample(0, records=3000, spread=0.0))
    assert estimate.lo <= estimate.detail["tpr"] <= estimate.hi


def test_a_single_target_says_nothing_about_other_models() -> None:
    assert "member of two models, got none" in str(Stability(0.1).applies(make_sample(0)))


@pytest.mark.parametrize(("d", "value"), [(50.0, 1.0), (-50.0, 0.0)])
def test_all_or_nothing_has_an_interval_too(d: float, value: float) -> None:
    estimate = Stability().estimate(sample(0, records=200, d=d))
    assert estimate.value == value
    assert estimate.hi - estimate.lo > 0.001
