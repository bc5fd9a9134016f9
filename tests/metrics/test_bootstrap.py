"""The presorted bootstrap against resample-and-recompute, and what it draws."""

import dataclasses

import numpy as np
import pytest

from leakbench.errors import InputError
from leakbench.metrics.bootstrap import (
    Presorted,
    auc,
    paired_difference,
    resample_weights,
    roc_band,
    tpr_at,
)
from leakbench.metrics.roc import Roc
from leakbench.seeds import stream

from .samples import make_sample


@pytest.mark.parametrize("targets", [1, 6])
@pytest.mark.parametrize("step", [0.0, 0.4])
def test_weighted_sums_equal_a_naive_resample(targets, step):
    sample = make_sample(0, 60, 90, step=step, targets=targets)
    presorted = Presorted(sample)
    for weights in resample_weights(sample, 10, stream(0)):
        naive = Roc.of(np.repeat(sample.scores, weights), np.repeat(sample.members, weights))
        tp, fp = presorted.counts(weights)
        assert auc(tp, fp) == naive.auc
        for fpr in (0.0, 0.05, 0.3):
            assert tpr_at(fpr)(tp, fp) == naive.at_fpr(fpr).tpr


def test_one_target_keeps_its_numbers_of_members_and_nonmembers():
    sample = make_sample(0, 60, 90)
    for weights in resample_weights(sample, 5, stream(0)):
        assert (weights[sample.members].sum(), weights[~sample.members].sum()) == (60, 90)


def test_several_targets_draw_models_times_records():
    sample = make_sample(0, 20, 20, targets=6)
    for weights in resample_weights(sample, 5, stream(0)):
        table = weights.reshape(6, 40)
        assert np.linalg.matrix_rank(table) == 1
        assert table.sum() == 6 * 40


def test_band_holds_the_curve_and_narrows_with_the_sample():
    grid = np.array([0.0, 0.01, 0.1, 0.5, 1.0])
    widths = []
    for n in (200, 3200):
        sample = make_sample(0, n, n)
        lo, hi = roc_band(sample, grid, 200, stream(0))
        own = [sample.roc.at_fpr(a).tpr for a in grid]
        assert (lo <= own).all() and (own <= hi).all()
        assert lo[-1] == hi[-1] == 1
        widths.append(hi - lo)
    assert widths[1][2] < widths[0][2] / 2


def test_pairing_takes_out_what_both_share():
    sample = make_sample(0, 400, 400)
    noise = 0.1 * stream(1).standard_normal(800)
    other = dataclasses.replace(sample, scores=sample.scores - 0.3 * sample.members + noise)
    found = paired_difference(sample, other, auc, 300, stream(0))
    assert found.value == sample.roc.auc - other.roc.auc
    assert 0 < found.lo <= found.value <= found.hi
    apart = make_sample(9, 400, 400, d=0.7).roc.auc
    assert found.hi - found.lo < 0.05 < 4 * np.sqrt(apart * (1 - apart) / 400)


@pytest.mark.parametrize("targets", [1, 4])
def test_the_order_of_the_second_sample_does_not_matter(targets):
    a = make_sample(0, 50, 50, targets=targets)
    b = dataclasses.replace(a, scores=make_sample(1, 50, 50, targets=targets).scores)
    shuffled = b.at(stream(5).permutation(b.scores.size))
    one, other = (paired_difference(a, s, tpr_at(0.1), 50, stream(0)) for s in (b, shuffled))
    assert one == other


def test_a_sample_differs_from_itself_by_nothing():
    sample = make_sample(0, targets=4)
    assert paired_difference(sample, sample, auc, 20, stream(0)) == (0, 0, 0)


def test_unlike_samples_cannot_be_paired():
    with pytest.raises(InputError, match="same models, records and members"):
        paired_difference(make_sample(0), make_sample(1), auc, 10, stream(0))


def test_the_seed_decides_everything():
    sample = make_sample(0)
    bands = [roc_band(sample, np.array([0.1]), 20, stream(s)) for s in (0, 0, 1)]
    assert bands[0] == bands[1] != bands[2]
