"""Resampling models and records, for curves and for paired differences: one sort, then a cumulative sum a resample."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..types import Array
from .base import Sample
from .roc import allowed

Counts = NDArray[np.int64]
Statistic = Callable[[Counts, Counts], float]  # of cumulative TP and FP counts, thresholds descending


class Difference(NamedTuple):
    """A paired difference with its percentile interval."""

    value: float
    lo: float
    hi: float


class Presorted:
    """A sample sorted once, so that any integer weights give its weighted ROC by two cumulative sums."""

    def __init__(self, sample: Sample) -> None:
        self.order = np.argsort(sample.roc.step, kind="stable")
        self.members = sample.members[self.order]
        self.ends = np.cumsum(np.bincount(sample.roc.step)) - 1

    def counts(self, weights: Counts) -> tuple[Counts, Counts]:
        """Weighted TP and FP [J] at every distinct score, for weights [n] in the sample's order."""
        w = weights[self.order]
        tp = np.cumsum(w * self.members)[self.ends]
        return tp, np.cumsum(w)[self.ends] - tp


def auc(tp: Counts, fp: Counts) -> float:
    """The AUC of cumulative counts, ties as one half."""
    pairs = 2 * int(tp[-1]) * int(fp[-1])
    return int((np.diff(fp, prepend=0) * (tp + np.append(0, tp[:-1]))).sum()) / pairs


def tpr_at(fpr: float) -> Statistic:
    """The statistic "largest TPR whose FPR is at most `fpr`"."""
    return lambda tp, fp: float(_tprs(tp, fp, np.array([fpr]))[0])


def _tprs(tp: Counts, fp: Counts, grid: Array) -> Array:
    limits = [allowed(a, int(fp[-1])) for a in grid]
    return np.asarray(np.append(0, tp)[np.searchsorted(fp, limits, side="right")] / tp[-1])


def resample_weights(sample: Sample, resamples: int, rng: np.random.Generator) -> Iterator[Counts]:
    """How often each score is drawn [n], for each resample.

    One target: members and non-members are drawn with replacement, each as many as there are. Several: models and
    records are, and a score is drawn as often as its model times as its record (the pigeonhole bootstrap, Owen 2007,
    which errs on the wide side).
    """
    draw = _strata(sample) if sample.model.min() == sample.model.max() else _pigeonhole(sample)
    for _ in range(resamples):
        weights = draw(rng)
        while not (weights[sample.members].any() and weights[~sample.members].any()):
            weights = draw(rng)
        yield weights


def _drawn(n: int, rng: np.random.Generator) -> Counts:
    return np.bincount(rng.integers(0, n, n), minlength=n)


def _strata(sample: Sample) -> Callable[[np.random.Generator], Counts]:
    groups = np.flatnonzero(sample.members), np.flatnonzero(~sample.members)

    def draw(rng: np.random.Generator) -> Counts:
        weights = np.empty(sample.scores.size, dtype=np.int64)
        for group in groups:
            weights[group] = _drawn(group.size, rng)
        return weights

    return draw


def _pigeonhole(sample: Sample) -> Callable[[np.random.Generator], Counts]:
    models, model = np.unique(sample.model, return_inverse=True)
    records, record = np.unique(sample.record, return_inverse=True)
    return lambda rng: _drawn(models.size, rng)[model] * _drawn(records.size, rng)[record]


def roc_band(
    sample: Sample, grid_fpr: Array, resamples: int, rng: np.random.Generator, level: float = 0.95
) -> tuple[Array, Array]:
    """Pointwise percentile band (lo, hi) of the TPR at each FPR of `grid_fpr` [G], for drawing.

    It always holds the sample's own curve. A number to quote takes its interval from `tpr_interval`.
    """
    presorted = Presorted(sample)
    curves = [_tprs(*presorted.counts(w), grid_fpr) for w in resample_weights(sample, resamples, rng)]
    lo, hi = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    own = _tprs(sample.roc.tp, sample.roc.fp, grid_fpr)
    return np.minimum(lo, own), np.maximum(hi, own)


def paired_differences(
    sample_a: Sample,
    sample_b: Sample,
    statistics: Sequence[Statistic],
    resamples: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> list[Difference]:
    """statistic(a) - statistic(b) with a percentile interval, for each of `statistics`.

    The same models and records are drawn in both samples, and one draw serves all statistics (`auc`,
    `tpr_at(fpr)`). Raises InputError unless both samples hold the same (model, record) pairs with the same
    membership; their order may differ.
    """
    in_a, in_b = (np.lexsort((s.record, s.model)) for s in (sample_a, sample_b))
    if any(
        not np.array_equal(a[in_a], b[in_b])
        for a, b in (
            (sample_a.model, sample_b.model),
            (sample_a.record, sample_b.record),
            (sample_a.members, sample_b.members),
        )
    ):
        raise InputError("a paired difference needs the same models, records and members in both samples")
    sorted_a, sorted_b = Presorted(sample_a), Presorted(sample_b)
    weights_b = np.empty(sample_b.scores.size, dtype=np.int64)
    drawn = []
    for weights in resample_weights(sample_a, resamples, rng):
        weights_b[in_b] = weights[in_a]
        counts_a, counts_b = sorted_a.counts(weights), sorted_b.counts(weights_b)
        drawn.append([statistic(*counts_a) - statistic(*counts_b) for statistic in statistics])
    limits = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    roc_a, roc_b = sample_a.roc, sample_b.roc
    values = [statistic(roc_a.tp, roc_a.fp) - statistic(roc_b.tp, roc_b.fp) for statistic in statistics]
    return [
        Difference(value, min(value, float(lo)), max(value, float(hi)))
        for value, lo, hi in zip(values, *limits, strict=True)
    ]


def paired_difference(
    sample_a: Sample,
    sample_b: Sample,
    statistic: Statistic,
    resamples: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Difference:
    """`paired_differences` of a single statistic."""
    return paired_differences(sample_a, sample_b, [statistic], resamples, rng, level)[0]
