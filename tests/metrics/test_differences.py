"""Paired differences against their references, at their limits, and their coverage where models differ."""

from dataclasses import replace

import numpy as np
import pytest

from leakbench.core.errors import InputError
from leakbench.core.seeds import stream
from leakbench.evaluation.coverage import Study, coverage_table
from leakbench.metrics import Sample
from leakbench.metrics.statistics import differences
from leakbench.metrics.statistics.differences import Difference, paired_differences, paired_sample
from leakbench.metrics.statistics.tpr_interval import tpr_interval

from .samples import make_sample


def difference(a: Sample, b: Sample, metric: str = "auc", *fpr: float) -> Difference:
    return paired_differences(paired_sample(a, fpr), paired_sample(b, fpr))[metric]


def another(sample: Sample, seed: int, shared: float = 0.8, less: float = 0.3) -> Sample:
    """The scores of another defence on the same pairs."""
    noise = stream(seed).standard_normal(sample.scores.size)
    scores = shared * (sample.scores - less * sample.members) + np.sqrt(1 - shared**2) * noise
    return replace(sample, scores=scores)


def test_one_target_gives_delong_s_paired_interval() -> None:
    a = make_sample(0, 120, 130)
    b = another(a, 1)
    placements = []
    for sample in (a, b):
        x, y = sample.scores[sample.members], sample.scores[~sample.members]
        above = (x[:, None] > y).astype(float)
        placements.append((above.mean(axis=1), above.mean(axis=0)))
    inside, outside = (one - other for one, other in zip(*placements, strict=True))
    unseen = 1 / 120**2 + 1 / 130**2
    half = 1.96 * np.sqrt(inside.var(ddof=1) / 120 + outside.var(ddof=1) / 130 + unseen)
    found = difference(a, b)
    assert found.value == a.roc.auc - b.roc.auc
    assert found.hi - found.value == pytest.approx(half, rel=0.02)
    assert found.value - found.lo == pytest.approx(half, rel=0.02)


def test_pairing_takes_out_what_both_share() -> None:
    a = make_sample(0, 400, 400, targets=8)
    found = difference(a, another(a, 1, shared=0.999))
    alone = difference(a, another(a, 1, shared=0.0))
    assert found.lo > 0
    assert found.hi - found.lo < (alone.hi - alone.lo) / 5


@pytest.mark.parametrize("targets", [1, 4, 16])
def test_blocks_of_records_lose_nothing_but_degrees_of_freedom(targets: int, monkeypatch) -> None:
    a = make_sample(0, 900, 900, targets=targets)
    record = np.random.default_rng(0).standard_normal(a.record.max() + 1)
    a = replace(a, scores=a.scores + 2 * record[a.record])
    b = another(a, 1)
    widths = []
    for blocks in (256, 10_000):
        monkeypatch.setattr(differences, "BLOCKS", blocks)
        sample = paired_sample(a, [0.01])
        assert sample.metrics["auc"].influence.shape == (targets, min(blocks, 1800))
        widths.append([d.hi - d.lo for d in paired_differences(sample, paired_sample(b, [0.01])).values()])
    np.testing.assert_allclose(*widths, rtol=0.12)


@pytest.mark.parametrize("targets", [1, 8])
@pytest.mark.parametrize("metric", ["auc", "tpr@fpr=0.05"])
def test_exchanging_the_samples_mirrors_the_difference(targets: int, metric: str) -> None:
    a = make_sample(0, targets=targets)
    b = another(a, 1)
    there, back = difference(a, b, metric, 0.05), difference(b, a, metric, 0.05)
    assert tuple(there) == pytest.approx((-back.value, -back.hi, -back.lo))


@pytest.mark.parametrize("targets", [1, 8])
@pytest.mark.parametrize("metric", ["auc", "tpr@fpr=0.05"])
def test_equal_scores_do_not_prove_that_the_next_record_scores_alike(targets: int, metric: str) -> None:
    widths = []
    for n in (100, 1600):
        sample = make_sample(0, n, n, targets=targets)
        found = difference(sample, sample, metric, 0.05)
        assert found.value == 0 and found.lo < 0 < found.hi
        widths.append(found.hi - found.lo)
    assert widths[1] < widths[0] / 3 < 0.1


@pytest.mark.parametrize("targets", [1, 4])
def test_samples_at_their_limits_give_valid_intervals(targets: int) -> None:
    """Everything tied, members all above, members all below, one score apart, a handful of records; each with each."""
    sample = make_sample(0, 10, 10, targets=targets)
    first = (np.arange(sample.scores.size) == 0).astype(float)
    scores = (np.zeros_like(first), sample.members * 1.0, -1.0 * sample.members, first, sample.scores)
    for a in scores:
        for b in scores:
            pair = (replace(sample, scores=a), replace(sample, scores=b))
            for metric in ("auc", "tpr@fpr=0.1"):
                value, lo, hi = difference(*pair, metric, 0.1)
                assert -1 <= lo <= value <= hi <= 1
                assert lo < hi


def test_models_that_gain_differently_widen_the_interval() -> None:
    """The same spread of scores, once between models and once within them."""
    sample = make_sample(0, 300, 300, d=0.5, targets=8)
    rng = np.random.default_rng(0)
    between = rng.normal(0, 0.5, 8)[sample.model] * sample.members
    within = rng.normal(0, 0.5, sample.scores.size) * sample.members
    widths = []
    for more in (between, within):
        found = difference(sample, replace(sample, scores=sample.scores + more))
        widths.append(found.hi - found.lo)
    assert widths[0] > 3 * widths[1]


def test_unlike_samples_cannot_be_paired() -> None:
    sample = make_sample(0, targets=4)
    for other in (
        make_sample(1, targets=4),
        replace(sample, record=sample.record + 1),
        replace(sample, model=sample.model + 1),
    ):
        with pytest.raises(InputError, match="same models, records and members"):
            difference(sample, other)


def test_only_the_fpr_that_both_resolve_are_compared() -> None:
    sample = make_sample(0)
    found = paired_differences(paired_sample(sample, [0.01, 0.1]), paired_sample(sample, [0.1]))
    assert list(found) == ["auc", "tpr@fpr=0.1"]


def test_central_limits_lie_within_the_guaranteed_ones() -> None:
    sample = make_sample(0, 1000, 1000, targets=8)
    lo, hi = tpr_interval(sample, 0.01)
    central = tpr_interval(sample, 0.01, central=True)
    assert lo < central.lo < sample.roc.at_fpr(0.01).tpr < central.hi < hi


@pytest.mark.parametrize("targets", [4, 8])
def test_differences_cover_where_gains_differ_between_models(targets: int) -> None:
    """A percentile interval of the pigeonhole bootstrap covers 81 to 88 % here."""
    study = Study(0.5, targets=targets, of_model=0.01, of_record=0.98, gain=0.3, other_d=0.8)
    auc, tpr = coverage_table(100, (study,))[:2]
    assert auc.limits.hi >= 0.95 and auc.relative < 2
    assert tpr.limits.hi >= 0.95 and tpr.relative < 2.2
