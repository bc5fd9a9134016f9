"""Resampling models and records, for curves and for paired differences: one sort, then two cumulative sums a resample.

A seed draws the same models and records in every sample of the same pairs, so that each sample is resampled once and
any two of them can be compared.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..seeds import stream
from ..types import Array
from .base import Sample
from .roc import allowances

Counts = NDArray[np.int64]
Weights = NDArray[np.integer[Any]]


class Difference(NamedTuple):
    """A paired difference with its percentile interval."""

    value: float
    lo: float
    hi: float


class WeightedRoc(NamedTuple):
    """The ROC of weighted scores: `auc`, and `tpr` [G] at each FPR asked for."""

    auc: float
    tpr: Array


class Presorted:
    """A sample sorted once, so that any integer weights give its weighted ROC by two cumulative sums.

    Members [n1] and non-members [n0] stand apart, each by falling score.
    """

    def __init__(self, sample: Sample) -> None:
        member = sample.members[sample.order]
        self.inside, self.outside = sample.order[member], sample.order[~member]
        step1, step0 = sample.roc.step[self.inside], sample.roc.step[self.outside]
        self.above = np.append(np.searchsorted(step1, step0), step1.size)  # members above each non-member
        self.least = np.searchsorted(step0, step1)  # non-members above each member
        most = np.searchsorted(step0, step1, side="right")  # ... or level with it
        self.most = None if np.array_equal(self.least, most) else most

    def roc(self, weights: Weights, fpr: Array) -> WeightedRoc:
        """The ROC for weights [n] in the sample's order, not all 0 for members, nor for non-members.

        The AUC counts ties as one half; the TPR is the largest whose FPR is at most the one asked for.
        """
        weight1 = weights.take(self.inside)
        tp, fp = _summed(weight1), _summed(weights.take(self.outside))
        n1, n0 = int(tp[-1]), int(fp[-1])
        beaten_by = fp[self.least] if self.most is None else fp[self.least] + fp[self.most]
        lost, pairs = int(weight1 @ beaten_by) * (2 if self.most is None else 1), 2 * n1 * n0
        beyond = np.searchsorted(fp[1:], allowances(fpr, n0), side="right")
        return WeightedRoc((pairs - lost) / pairs, tp[self.above[beyond]] / n1)


def _summed(weights: Weights) -> Counts:
    """[n + 1]: the sum of the weights before each place."""
    out = np.empty(weights.size + 1, dtype=np.int64)
    out[0] = 0
    np.cumsum(weights, dtype=np.int64, out=out[1:])
    return out


@dataclass(frozen=True, eq=False)
class Resampled:
    """The ROC of a sample, and of R resamples of it: little enough to keep it for every attack on every defence."""

    pairs: str  # tells which models, records and members were resampled
    n_members: int
    n_nonmembers: int
    fpr: Array  # [G]
    own: WeightedRoc
    aucs: Array  # [R]
    tprs: Array  # [R, G]

    def at(self, *fpr: float) -> "Resampled":
        """The same with the TPR at these of its FPR alone. Raises ValueError if one is not there."""
        kept = [self.fpr.tolist().index(a) for a in fpr]
        own = WeightedRoc(self.own.auc, self.own.tpr[kept])
        return replace(self, fpr=self.fpr[kept], own=own, tprs=self.tprs[:, kept])

    def band(self, level: float = 0.95) -> tuple[Array, Array]:
        """Pointwise percentile band (lo, hi) of the TPR [G], for drawing; it always holds the sample's own curve.

        A number to quote takes its interval from `tpr_interval`.
        """
        lo, hi = np.quantile(self.tprs, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return np.minimum(lo, self.own.tpr), np.maximum(hi, self.own.tpr)


def resample(samples: Sequence[Sample], fpr: Array, resamples: int, seed: int) -> list[Resampled]:
    """The AUC, and the TPR at each of `fpr` [G], of each sample and of so many resamples of it.

    One target: members and non-members are drawn with replacement, each as many as there are. Several: models and
    records are, and a score is drawn as often as its model times as its record (the pigeonhole bootstrap, Owen 2007,
    which errs on the wide side). A resample without members or without non-members is drawn again. Samples of the
    same pairs are drawn alike, in this call and in others of the same seed.
    """
    alike: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        alike.setdefault(_pairs(sample), []).append(place)
    found: dict[int, Resampled] = {}
    for pairs, places in alike.items():
        group = [samples[place] for place in places]
        found |= zip(places, _resampled(group, pairs, fpr, resamples, stream(seed, "resample")), strict=True)
    return [found[place] for place in range(len(samples))]


def _resampled(
    samples: list[Sample], pairs: str, fpr: Array, resamples: int, rng: np.random.Generator
) -> Iterator[Resampled]:
    """Of samples of the same pairs: each draw serves all of them."""
    presorted = [Presorted(sample) for sample in samples]
    rocs = [[each.roc(w, fpr) for each in presorted] for w in islice(draws(samples[0], rng), resamples)]
    for sample, each, drawn in zip(samples, presorted, zip(*rocs, strict=True), strict=True):
        own = each.roc(np.ones(sample.scores.size, dtype=np.uint8), fpr)
        aucs, tprs = np.array([roc.auc for roc in drawn]), np.array([roc.tpr for roc in drawn])
        yield Resampled(pairs, sample.n_members, sample.n_nonmembers, fpr, own, aucs, tprs)


def paired_differences(a: Resampled, b: Resampled, level: float = 0.95) -> dict[str, Difference]:
    """AUC(a) - AUC(b), and TPR(a) - TPR(b) at each FPR, with percentile intervals, by the metric's label.

    Raises InputError unless both were drawn from the same models, records and members, in the same order and as
    often, and hold the same FPR. The seeds must have been the same too.
    """
    if a.pairs != b.pairs or a.aucs.size != b.aucs.size or not np.array_equal(a.fpr, b.fpr):
        raise InputError("a paired difference needs the same models, records and members in both samples")
    found = {"auc": _difference(a.own.auc - b.own.auc, a.aucs - b.aucs, level)}
    for fpr, value, drawn in zip(a.fpr, a.own.tpr - b.own.tpr, (a.tprs - b.tprs).T, strict=True):
        found[f"tpr@fpr={fpr:g}"] = _difference(float(value), drawn, level)
    return found


def _difference(value: float, drawn: Array, level: float) -> Difference:
    lo, hi = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Difference(value, min(value, float(lo)), max(value, float(hi)))


def _pairs(sample: Sample) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (sample.model, sample.record, sample.members):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def draws(sample: Sample, rng: np.random.Generator) -> Iterator[Weights]:
    """How often each score is drawn [n], resample after resample without end."""
    draw = _strata(sample) if sample.model.min() == sample.model.max() else _pigeonhole(sample)
    while True:
        weights = draw(rng)
        drawn = weights > 0
        if (drawn & sample.members).any() and (drawn & ~sample.members).any():
            yield weights


def _drawn(n: int, rng: np.random.Generator) -> Counts:
    return np.bincount(rng.integers(0, n, n), minlength=n)


def _strata(sample: Sample) -> Callable[[np.random.Generator], Weights]:
    groups = np.flatnonzero(sample.members), np.flatnonzero(~sample.members)

    def draw(rng: np.random.Generator) -> Weights:
        weights = np.empty(sample.scores.size, dtype=np.int64)
        for group in groups:
            weights[group] = _drawn(group.size, rng)
        return weights.astype(np.min_scalar_type(int(weights.max())))

    return draw


def _pigeonhole(sample: Sample) -> Callable[[np.random.Generator], Weights]:
    models, model = np.unique(sample.model, return_inverse=True)
    records, record = np.unique(sample.record, return_inverse=True)

    def draw(rng: np.random.Generator) -> Weights:
        of_model, of_record = _drawn(models.size, rng), _drawn(records.size, rng)
        most = int(of_model.max()) * int(of_record.max())
        small = np.min_scalar_type(most)  # bytes, mostly, which stay in the processor's cache
        weights: Weights = of_model.astype(small)[model] * of_record.astype(small)[record]
        return weights

    return draw
