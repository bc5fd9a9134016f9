"""Paired differences of AUC and TPR between two samples of the same models, records and members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from ...core.errors import InputError
from ...signals.types import Array
from .clusters import Clustered, clustered_variance
from .intervals import Limits, auc_between_models, auc_influence
from .sample import Sample
from .tpr_interval import tpr_influence, tpr_interval

LEVEL = 0.95
BLOCKS = 256  # of records, at most: what is kept of a sample does not grow with the number of records


class Difference(NamedTuple):
    """A paired difference with its interval."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True, eq=False)
class Compared:
    """A metric of one sample, with what its difference from another sample needs."""

    value: float
    limits: Limits  # of a TPR its interval; of an AUC the range of itself and the AUC of pairs of different models
    unseen: float  # the variance that one unseen member and one unseen non-member of the largest influence would add
    influence: Array  # [G, B] influence values, summed over the records of a block


@dataclass(frozen=True, eq=False)
class PairedSample:
    """What is kept of a sample so that it can be compared with any other of the same pairs."""

    pairs: str  # as `Sample.pairs`
    n_members: int
    n_nonmembers: int
    metrics: Mapping[str, Compared]  # by label: `auc`, and `tpr@fpr=...`


def paired_sample(sample: Sample, fpr: Sequence[float] = ()) -> PairedSample:
    """What a difference of AUCs needs, and of TPRs at each of `fpr`, all above 0."""
    metrics = {"auc": _auc(sample)} | {f"tpr@fpr={alpha:g}": _tpr(sample, alpha) for alpha in fpr}
    return PairedSample(sample.pairs, sample.n_members, sample.n_nonmembers, metrics)


def paired_differences(a: PairedSample, b: PairedSample) -> dict[str, Difference]:
    r"""AUC(a) - AUC(b), and TPR(a) - TPR(b) at each FPR that both hold, with 95 % intervals, by the metric's label.

    Formula: psi = psi_a - psi_b, the influence values on the same (model, record) pairs, so that whatever moves both
        samples alike cancels. h^2 = (half the interval of sum psi, see `Clustered.half_width`)^2 + z^2 U, U the
        variance that one unseen member and one unseen non-member would add on which a and b differ as much as they
        can: equal samples do not prove that the next record gives equal scores.
        AUC: D - h to D + h, where D is the difference over all pairs of scores and over those of different models;
        the interval holds both. One target: the paired interval of DeLong et al.
        TPR: MOVER, as few non-members make its interval skew. With A and B the arms of the two TPRs' own intervals,
        which count the uncertainty of the thresholds, lo = D - sqrt(A^2 + B^2 - 2 r A B), and hi likewise with the
        other two arms; r = (h_a^2 + h_b^2 - h^2) / (2 h_a h_b), h_a and h_b half the intervals of sum psi_a and psi_b.
        Records are summed in BLOCKS blocks first, which takes nothing from the variances but some degrees of freedom.
    Source:  DeLong, DeLong and Clarke-Pearson 1988; Cameron, Gelbach and Miller 2011; Zou and Donner 2008.

    Raises InputError unless both samples have the same models, records and members, in the same order.
    """
    if a.pairs != b.pairs:
        raise InputError("a paired difference needs the same models, records and members in both samples")
    form = {label: _auc_difference if label == "auc" else _tpr_difference for label in a.metrics}
    return {
        label: form[label](one, b.metrics[label]) for label, one in a.metrics.items() if label in b.metrics
    }


def _auc(sample: Sample) -> Compared:
    low, high = sorted((sample.roc.auc, auc_between_models(sample)))
    return _compared(sample, sample.roc.auc, Limits(low, high), auc_influence(sample), 1.0)


def _tpr(sample: Sample, fpr: float) -> Compared:
    psi, slope = tpr_influence(sample, fpr)
    value = sample.roc.at_fpr(fpr).tpr
    return _compared(sample, value, tpr_interval(sample, fpr, LEVEL, central=True), psi, slope)


def _compared(sample: Sample, value: float, limits: Limits, psi: Array, slope: float) -> Compared:
    """`slope` is how much more a non-member's score counts than a member's."""
    model, record = (np.cumsum(np.bincount(ids) > 0)[ids] - 1 for ids in (sample.model, sample.record))
    shape = int(model.max()) + 1, min(BLOCKS, int(record.max()) + 1)
    cell = model * shape[1] + record % shape[1]
    influence = (
        np.bincount(cell, weights=psi, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    )
    unseen = 1 / sample.n_members**2 + slope**2 / sample.n_nonmembers**2
    return Compared(value, limits, unseen, influence)


def _auc_difference(one: Compared, other: Compared) -> Difference:
    value, half = one.value - other.value, _half_width(one, other)
    low, high = sorted((value, _of_different_models(one) - _of_different_models(other)))
    return Difference(value, max(-1.0, low - half), min(1.0, high + half))


def _of_different_models(auc: Compared) -> float:
    return auc.limits.hi if auc.value == auc.limits.lo else auc.limits.lo


def _tpr_difference(one: Compared, other: Compared) -> Difference:
    own, others = (_clusters(each.influence).half_width(LEVEL) for each in (one, other))
    r = 0.0
    if own * others > 0:
        r = float(np.clip((own**2 + others**2 - _half_width(one, other) ** 2) / (2 * own * others), -1, 1))
    value = one.value - other.value
    lo = value - _third_side(one.value - one.limits.lo, other.limits.hi - other.value, r)
    hi = value + _third_side(one.limits.hi - one.value, other.value - other.limits.lo, r)
    return Difference(value, lo, hi)


def _third_side(a: float, b: float, r: float) -> float:
    return float(np.sqrt(max(0.0, a * a - 2 * r * a * b + b * b)))


def _half_width(one: Compared, other: Compared) -> float:
    """Half the interval of the sum of the differences of the influence values, what is unseen included."""
    clusters = _clusters(one.influence - other.influence)
    alike = clusters.n / clusters.records  # without any event, an unseen record would differ in every model
    unseen = max(one.unseen, other.unseen) * (1 + (alike - 1) / (clusters.events + 1))
    return float(np.hypot(clusters.half_width(LEVEL), special.ndtri((1 + LEVEL) / 2) * np.sqrt(unseen)))


def _clusters(influence: Array) -> Clustered:
    model, block = np.indices(influence.shape).reshape(2, -1)
    return clustered_variance(influence.ravel(), model, block)
