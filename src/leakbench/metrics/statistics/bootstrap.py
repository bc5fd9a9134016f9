"""Resampling models and records, for the bands of curves: one sort, then little more for each resample."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.seeds import stream
from ...signals.types import Array
from .roc import allowances
from .sample import Sample

Counts = NDArray[np.int64]
Weights = NDArray[np.integer[Any]]

AT_ONCE = 2**13  # weights that are summed at a time


class Presorted:
    """A sample sorted once, so that any integer weights give its weighted ROC by two cumulative sums.

    Members [n1] and non-members [n0] stand apart, each by falling score.
    """

    def __init__(self, sample: Sample) -> None:
        member = sample.members[sample.order]
        self.inside, self.outside = sample.order[member], sample.order[~member]
        step1, step0 = sample.roc.step[self.inside], sample.roc.step[self.outside]
        self.above = np.append(np.searchsorted(step1, step0), step1.size)  # members above each non-member

    def tpr(self, weights: Weights, fpr: Array) -> Array:
        """The largest TPR [R, G] whose FPR is at most each of `fpr` [G], for weights [R, n] in the sample's order.

        No row of weights may be 0 for all members, nor for all non-members.
        """
        tp, fp = _summed(weights.take(self.inside, axis=1)), _summed(weights.take(self.outside, axis=1))
        row, n0 = np.arange(len(weights))[:, None], fp.shape[1] - 1
        # one search serves all rows, of which each is moved above those before it
        apart = row * (fp[:, -1].max() + 1)
        allowed = allowances(fpr, fp[:, -1:]) + apart
        beyond = np.searchsorted((fp[:, 1:] + apart).ravel(), allowed, side="right") - row * n0
        return np.asarray(tp[row, self.above[beyond]] / tp[:, -1:])


def _summed(weights: Weights) -> Counts:
    """[R, n + 1]: the sum of the weights before each place."""
    out = np.zeros((len(weights), weights.shape[1] + 1), dtype=np.int64)
    np.cumsum(weights, axis=1, dtype=np.int64, out=out[:, 1:])
    return out


@dataclass(frozen=True, eq=False)
class Resampled:
    """The TPR of a sample at each FPR [G], and of R resamples of it."""

    tpr: Array  # [G]
    tprs: Array  # [R, G]

    def band(self, level: float = 0.95) -> tuple[Array, Array]:
        """Pointwise percentile band (lo, hi) of the TPR [G], for drawing; it always holds the sample's own curve.

        A number to quote takes its interval from `tpr_interval`.
        """
        lo, hi = np.quantile(self.tprs, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return np.minimum(lo, self.tpr), np.maximum(hi, self.tpr)


def resample(samples: Sequence[Sample], fpr: Array, resamples: int, seed: int) -> list[Resampled]:
    """The TPR at each of `fpr` [G], which rise, of each sample and of so many resamples of it.

    One target: members and non-members are drawn with replacement, each as many as there are (`_of_one_target`).
    Several: models and records are, and a score is drawn as often as its model times as its record (the pigeonhole
    bootstrap, Owen 2007, which errs on the wide side). A resample without members or without non-members is drawn
    again. Samples of the same pairs are drawn alike, in this call and in others of the same seed.
    """
    alike: dict[str, list[int]] = {}
    found: dict[int, Resampled] = {}
    for place, sample in enumerate(samples):
        if sample.model.min() == sample.model.max():
            found[place] = _of_one_target(sample, fpr, resamples, stream(seed, "resample"))
        else:
            alike.setdefault(sample.pairs, []).append(place)
    for places in alike.values():
        group = [samples[place] for place in places]
        found |= zip(places, _resampled(group, fpr, resamples, stream(seed, "resample")), strict=True)
    return [found[place] for place in range(len(samples))]


def _resampled(
    samples: list[Sample], fpr: Array, resamples: int, rng: np.random.Generator
) -> Iterator[Resampled]:
    """Of samples of the same pairs: each draw serves all of them."""
    presorted, n = [Presorted(sample) for sample in samples], samples[0].scores.size
    drawn, some = islice(draws(samples[0], rng), resamples), max(1, AT_ONCE // n)
    blocks = map(np.stack, iter(lambda: list(islice(drawn, some)), []))
    tprs = [[each.tpr(weights, fpr) for each in presorted] for weights in blocks]
    for each, of_blocks in zip(presorted, zip(*tprs, strict=True), strict=True):
        yield Resampled(each.tpr(np.ones((1, n), dtype=np.uint8), fpr)[0], np.concatenate(of_blocks))


def _of_one_target(sample: Sample, fpr: Array, resamples: int, rng: np.random.Generator) -> Resampled:
    """Resamples of one target, of which only what lies at each FPR is drawn.

    The FPR a allows k = floor(a n0) non-members above the threshold, which is therefore the drawn one of rank k + 1. Of
    n0 uniform numbers those of several ranks are sums of gamma variables over the sum of all, and how many drawn
    members lie between two thresholds is multinomial (David and Nagaraja 2003, Order Statistics, section 2).
    """
    roc, ranks = sample.roc, allowances(fpr, sample.n_nonmembers) + 1
    gaps = np.diff(ranks, prepend=0, append=sample.n_nonmembers + 1)
    sums = rng.standard_gamma(gaps, (resamples, gaps.size)).cumsum(axis=1)
    places = (sums[:, :-1] / sums[:, -1:] * roc.n0).astype(np.intp)  # of the thresholds among the non-members
    shares = np.diff(roc.above(places + 1) / roc.n1, axis=1, prepend=0, append=1).clip(0)
    tprs = rng.multinomial(roc.n1, shares)[:, :-1].cumsum(axis=1) / roc.n1
    return Resampled(np.array([roc.at_fpr(a).tpr for a in fpr]), tprs)


def draws(sample: Sample, rng: np.random.Generator) -> Iterator[Weights]:
    """How often each score of several targets is drawn [n], resample after resample without end."""
    draw = _pigeonhole(sample)
    inside, outside = np.flatnonzero(sample.members), np.flatnonzero(~sample.members)
    while True:
        weights = draw(rng)
        if weights[inside].any() and weights[outside].any():
            yield weights


def _drawn(n: int, rng: np.random.Generator) -> Counts:
    return np.bincount(rng.integers(0, n, n), minlength=n)


def _pigeonhole(sample: Sample) -> Callable[[np.random.Generator], Weights]:
    models, model = np.unique(sample.model, return_inverse=True)
    records, record = np.unique(sample.record, return_inverse=True)

    def draw(rng: np.random.Generator) -> Weights:
        of_model, of_record = _drawn(models.size, rng), _drawn(records.size, rng)
        most = int(of_model.max()) * int(of_record.max())
        small = np.min_scalar_type(most)  # bytes, mostly, which fit the CPU's cache
        weights: Weights = of_model.astype(small)[model] * of_record.astype(small)[record]
        return weights

    return draw
