"""The presorted bootstrap against resample-and-recompute, and what it draws."""

import itertools

import numpy as np
import pytest
from scipy.stats import ks_2samp

from leakbench.core.seeds import stream
from leakbench.metrics.statistics import bootstrap
from leakbench.metrics.statistics.bootstrap import Presorted, draws, resample
from leakbench.metrics.statistics.roc import Roc
from leakbench.metrics.statistics.sample import Sample

from .samples import make_sample

GRID = np.array([0.0, 0.05, 0.3, 1.0])


def drawn(sample: Sample, times: int) -> list[np.ndarray]:
    return list(itertools.islice(draws(sample, stream(0, "resample")), times))


@pytest.mark.parametrize("step", [0.0, 0.4])
def test_weighted_sums_equal_a_naive_resample(step):
    sample = make_sample(0, 60, 90, step=step, targets=6)
    presorted = Presorted(sample)
    for weights in drawn(sample, 10):
        naive = Roc.of(np.repeat(sample.scores, weights), np.repeat(sample.members, weights))
        assert presorted.tpr(weights[None], GRID).tolist() == [[naive.at_fpr(fpr).tpr for fpr in GRID]]


@pytest.mark.parametrize("step", [0.0, 0.4])
def test_resampled_are_the_sample_s_own_roc_and_those_of_its_draws(step):
    sample = make_sample(0, 60, 90, step=step, targets=6)
    (found,) = resample([sample], GRID, 10, 0)
    assert found.tpr.tolist() == [sample.roc.at_fpr(fpr).tpr for fpr in GRID]
    for weights, tpr in zip(drawn(sample, 10), found.tprs, strict=True):
        naive = Roc.of(np.repeat(sample.scores, weights), np.repeat(sample.members, weights))
        assert tpr.tolist() == [naive.at_fpr(fpr).tpr for fpr in GRID]


def test_a_resample_without_members_is_drawn_again():
    few = make_sample(0, 1, 1, targets=2)  # one draw in four has one record alone, or one model
    assert all(w[few.members].any() and w[~few.members].any() for w in drawn(few, 50))


@pytest.mark.parametrize("step", [0.0, 0.4])
def test_what_is_drawn_of_one_target_is_distributed_as_resampled_records_are(step):
    """At each FPR, and at two of them together; against resamples of the records, drawn one by one."""
    sample, times, rng = make_sample(0, 40, 55, step=step), 4000, np.random.default_rng(1)
    grid = np.array([0.0, 0.01, 0.05, 0.3, 0.7, 1.0])
    inside, outside = (sample.scores[sample.members == member] for member in (True, False))
    naive = np.empty((times, grid.size))
    for row in naive:
        own = rng.choice(inside, inside.size), rng.choice(outside, outside.size)
        roc = Roc.of(np.concatenate(own), np.repeat([True, False], [inside.size, outside.size]))
        row[:] = [roc.at_fpr(fpr).tpr for fpr in grid]
    (found,) = resample([sample], grid, times, 0)
    assert found.tpr.tolist() == [sample.roc.at_fpr(fpr).tpr for fpr in grid]
    for k in range(grid.size):
        assert ks_2samp(found.tprs[:, k], naive[:, k]).pvalue > 1e-4
    along = [tprs[:, 3] - tprs[:, 2] for tprs in (found.tprs, naive)]
    assert ks_2samp(*along).pvalue > 1e-4 and (found.tprs[:, -1] == 1).all()


def test_several_targets_draw_models_times_records():
    sample = make_sample(0, 20, 20, targets=6)
    for weights in drawn(sample, 5):
        table = weights.astype(int).reshape(6, 40)
        assert np.linalg.matrix_rank(table) == 1
        assert table.sum() == 6 * 40


def test_a_draw_of_more_than_a_byte_holds_is_counted_in_full(monkeypatch):
    """Thirty models, each drawn thirty times, of twenty records, each drawn twenty times."""
    monkeypatch.setattr(bootstrap, "_drawn", lambda n, rng: np.full(n, n))
    (weights,) = drawn(make_sample(0, 10, 10, targets=30), 1)
    assert (weights == 30 * 20).all()


def test_band_holds_the_curve_and_narrows_with_the_sample():
    grid = np.array([0.0, 0.01, 0.1, 0.5, 1.0])
    widths = []
    for n in (200, 3200):
        sample = make_sample(0, n, n)
        lo, hi = resample([sample], grid, 200, 0)[0].band()
        own = [sample.roc.at_fpr(a).tpr for a in grid]
        assert (lo <= own).all() and (own <= hi).all()
        assert lo[-1] == hi[-1] == 1
        widths.append(hi - lo)
    assert widths[1][2] < widths[0][2] / 2


def test_what_else_is_resampled_changes_no_draw():
    """Samples of two kinds of pairs in one call, each as if it stood alone."""
    samples = [make_sample(seed, targets=targets) for seed, targets in ((0, 1), (0, 4), (1, 1))]
    together = resample([samples[0], samples[1], samples[0], samples[2]], GRID, 7, 3)
    for found, sample in zip(together, [samples[0], samples[1], samples[0], samples[2]], strict=True):
        (alone,) = resample([sample], GRID, 7, 3)
        assert found.tprs.tolist() == alone.tprs.tolist()


def test_the_seed_decides_everything():
    bands = [resample([make_sample(0)], GRID, 20, seed)[0].band()[0].tolist() for seed in (0, 0, 1)]
    assert bands[0] == bands[1] != bands[2]
