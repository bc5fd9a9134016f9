"""Intervals for a rate, for a difference of rates at a fixed decision, and for an AUC.

All rest on Clopper and Pearson's exact binomial limits. Where scores share models or records, the counts are scaled
to the sample size that carries as much information (`clusters`). The interval of a TPR at a given FPR is in
`tpr_interval`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from ...signals.types import Array, Bools
from .clusters import Clustered, clustered_variance, effective_size
from .sample import Sample


class Limits(NamedTuple):
    """A confidence interval."""

    lo: float
    hi: float


class Rates(NamedTuple):
    """TPR and FPR of a decision, their difference, and the interval of the difference."""

    tpr: float
    fpr: float
    difference: float
    lo: float
    hi: float


def clopper_pearson(x: float, n: float, level: float = 0.95) -> Limits:
    """Exact limits for a binomial rate after x successes in n trials; x and n need not be whole.

    Source: Clopper and Pearson 1934.
    """
    tail = (1 - level) / 2
    lo = special.betaincinv(x, n - x + 1, tail) if x > 0 else 0.0
    hi = special.betaincinv(x + 1, n - x, 1 - tail) if x < n else 1.0
    return Limits(float(lo), float(hi))


def rate_interval(hits: Bools, sample: Sample, level: float = 0.95) -> Limits:
    """Limits for the share of `hits` [n] among the sample's n scores; clusters respected (Korn and Graubard 1998).

    With one target these are Clopper and Pearson's.
    """
    n = effective_size(hits, sample.model, sample.record, level)
    return clopper_pearson(n * hits.mean(), n, level)


def difference_interval(
    sample: Sample, called: Bools, level: float = 0.95, clusters: Clustered | None = None
) -> Rates:
    r"""TPR - FPR of a decision `called` [n] that was taken without looking at these scores' membership.

    Formula: MOVER. With d = TPR - FPR, a = TPR - its lower limit, b = upper limit of FPR - FPR,
        lo = d - sqrt(a^2 + b^2), and hi likewise with the other two arms. The limits are Clopper and Pearson's of
        either rate, with the counts divided by the design effect of the difference, so that what moves both rates
        alike cancels. `clusters` describes the difference's influence values where more is known than this sample.
    Source:  Zou and Donner 2008, "Construction of confidence limits about effect measures: a general approach".
    """
    clusters = clusters or rate_clusters(sample, called)
    n1, n0, shrink = sample.n_members, sample.n_nonmembers, clusters.design_effect(level, least=0.0)
    tpr, fpr = float(called[sample.members].mean()), float(called[~sample.members].mean())
    lo1, hi1 = clopper_pearson(tpr * n1 / shrink, n1 / shrink, level)
    lo0, hi0 = clopper_pearson(fpr * n0 / shrink, n0 / shrink, level)
    d = tpr - fpr
    lo, hi = d - np.hypot(tpr - lo1, hi0 - fpr), d + np.hypot(hi1 - tpr, fpr - lo0)
    return Rates(tpr, fpr, d, max(-1.0, float(lo)), min(1.0, float(hi)))


def rate_clusters(sample: Sample, called: Bools) -> Clustered:
    """The clusters of the influence values of TPR - FPR, for a decision `called` [n]."""
    tpr, fpr = called[sample.members].mean(), called[~sample.members].mean()
    psi = np.where(sample.members, (called - tpr) / sample.n_members, (fpr - called) / sample.n_nonmembers)
    return clustered_variance(psi, sample.model, sample.record)


def auc_interval(sample: Sample, level: float = 0.95) -> Limits:
    r"""Limits for the AUC A, read as a rate among n_eff independent comparisons.

    Formula: V = clustered variance of DeLong's placements, plus what one unseen placement at either end would add,
        (A^2 + (1-A)^2) (1/n1^2 + 1/n0^2);  n_eff = A (1 - A) / V, at least min(n1, n0) / design effect, because
        that many disjoint pairs are independent;  limits of Clopper and Pearson at A n_eff of n_eff.
        So A = 1 gives the exact limits of n_eff successes in as many pairs, and no interval has width zero.
        With several targets, pairs within one model see no difference between models and flatter (or belittle) the
        pooled A; the interval covers A with and without them.
    Source:  DeLong, DeLong and Clarke-Pearson 1988; Korn and Graubard 1998 for effective counts.
    """
    n1, n0, a = sample.n_members, sample.n_nonmembers, sample.roc.auc
    clustered = clustered_variance(auc_influence(sample), sample.model, sample.record)
    unseen = (a**2 + (1 - a) ** 2) * (1 / n1**2 + 1 / n0**2)
    n = a * (1 - a) / (clustered.effective_variance(level) + unseen)
    n = max(n, min(n1, n0) / clustered.design_effect(level))
    low, high = sorted((a, auc_between_models(sample)))
    return Limits(clopper_pearson(low * n, n, level).lo, clopper_pearson(high * n, n, level).hi)


def auc_influence(sample: Sample) -> Array:
    """The influence values of the AUC [n]: DeLong's placements less their mean, over their number."""
    n1, n0 = sample.n_members, sample.n_nonmembers
    return (sample.roc.placements(sample.members) - sample.roc.auc) / np.where(sample.members, n1, n0)


def auc_between_models(sample: Sample) -> float:
    """The AUC over the pairs whose two scores come from different models; all pairs if there is one model."""
    auc, pairs = sample.roc.auc, sample.n_members * sample.n_nonmembers
    if sample.model.min() == sample.model.max():
        return auc
    model = sample.model[sample.order]
    few = model.astype(np.min_scalar_type(int(model.max())))  # a short word is sorted by its digits
    order = sample.order[np.argsort(few, kind="stable")]  # by model, then by falling score
    model, step, member = sample.model[order], sample.roc.step[order], sample.members[order].astype(np.int64)
    ends = np.flatnonzero(np.append((step[1:] != step[:-1]) | (model[1:] != model[:-1]), True))
    dtp = np.diff(np.cumsum(member)[ends], prepend=0)
    fp = np.cumsum(1 - member)[ends]  # over this model and all before it
    until = np.cumsum(np.bincount(model, weights=1 - member)).astype(np.int64)[model[ends]]
    wins = int((dtp * (2 * until - fp - np.append(0, fp[:-1]))).sum()) / 2
    within = int(np.bincount(model, weights=member) @ np.bincount(model, weights=1 - member))
    return (auc * pairs - wins) / (pairs - within) if within < pairs else auc
