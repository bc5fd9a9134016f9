"""The interval of a TPR at a given FPR, whose threshold is itself estimated from the non-members."""

import numpy as np
from scipy import optimize, special

from ...signals.types import Array
from .clusters import clustered_variance
from .intervals import Limits, rate_interval
from .roc import Roc
from .sample import Sample


def tpr_interval(sample: Sample, fpr: float, level: float = 0.95, central: bool = False) -> Limits:
    r"""Limits for the TPR at the threshold that a share `fpr` of all non-members (not only those seen) would pass.

    Clopper and Pearson's limits on TP of n1 take the threshold for known. It is estimated from a handful of
    non-members, and on a strong leak (d = 2) such an interval covers 30 to 50 % of the time instead of 95 %.

    Formula: of n0 non-members, K ~ Binomial(n0, fpr) pass the true threshold t. Given K = k, t lies between the k-th
        and the k+1-th highest non-member, so the members above t number between c(k) and c(k+1), where c(k) counts
        the members strictly above the k-th highest non-member (c(0) = 0, c(n0+1) = n1). The limits are quantiles of
        mixtures over k: lo of Beta(c(k), n1 - c(k) + 1), hi of Beta(c(k+1) + 1, n1 - c(k+1)). With n0 = infinity they
        are Clopper and Pearson's. A lower limit above 0 needs P(K = 0) < (1 - level) / 2: n0 fpr > 3.7 at 95 %.
        Ties: where a step of the ROC is wide against the spread of K and t may lie on either side of its edge, the
        mixture multiplies two tail probabilities instead of adding two errors; the tail is then Fisher's, c with
        c (1 - ln c) = (1 - level) / 2.
        Clusters: n0, n1 and the counts shrink by the design effect of TPR - slope * FPR, slope of the ROC at fpr.
        central: limits that cover about as often as `level` says, instead of at least as often, for differences in
        which the caution of both sides would add up: where more than one non-member is expected above t, c lies
        halfway between c(k) and c(k+1), and the limits are quantiles of Beta(c + 1/2, n1 - c + 1/2), as mid-P. The
        design effect adds a quarter of an event in place of one (ours, chosen by docs/coverage.md).
        fpr = 0 is another question: the TPR at the threshold just above the highest non-member seen, taken as given;
        a plain rate (`rate_interval`).
    """
    roc, point = sample.roc, sample.roc.at_fpr(fpr)
    if fpr == 0:
        called = sample.scores >= point.threshold
        return rate_interval(called[sample.members], sample.member_part, level)
    psi, _ = tpr_influence(sample, fpr)
    deff = clustered_variance(psi, sample.model, sample.record).design_effect(
        level, added=0.25 if central else 1.0
    )
    n1, n0 = roc.n1 / deff, max(1, int(roc.n0 / deff))
    k, weight = _binomial(n0, fpr)
    c_lo = roc.above(np.floor(k * (roc.n0 / n0)).astype(np.intp)) / deff
    c_hi = roc.above(np.ceil((k + 1) * (roc.n0 / n0)).astype(np.intp)) / deff
    tail, step = (1 - level) / 2, 1.0
    if _ties_decide(roc, k * (roc.n0 / n0), weight):
        tail = float(np.exp(-special.chdtri(4, tail) / 2))  # two p-values multiplied: Fisher's method
    if central and roc.n0 * fpr > deff:
        c_lo = c_hi = (c_lo + c_hi) / 2
        step = 0.5
    lo = _mixture_quantile(tail, weight, c_lo + 1 - step, n1 - c_lo + step)
    hi = 1 - _mixture_quantile(tail, weight, n1 - c_hi + 1 - step, c_hi + step)
    return Limits(min(lo, point.tpr), max(hi, point.tpr))


def tpr_influence(sample: Sample, fpr: float) -> tuple[Array, float]:
    """The influence values [n] of the TPR at `fpr` whose threshold is estimated, and the slope of the ROC there.

    A member's is that of the TPR at the threshold; a non-member's that of the FPR, times the slope, which is the ratio
    of the members' density to the non-members' at the threshold.
    """
    roc, point = sample.roc, sample.roc.at_fpr(fpr)
    spread = 2 * np.sqrt(roc.n0 * fpr * (1 - fpr)) + 1  # as far as the true threshold may well be away
    ranks = np.clip([roc.n0 * fpr - spread, roc.n0 * fpr + spread], 0, roc.n0).astype(np.intp)
    above = roc.above(ranks + 1) / roc.n1
    slope = float((above[1] - above[0]) / (ranks[1] - ranks[0]) * roc.n0)
    called = sample.scores >= point.threshold
    psi = np.where(sample.members, (called - point.tpr) / roc.n1, -slope * (called - point.fpr) / roc.n0)
    return psi, slope


def _ties_decide(roc: Roc, rank: Array, weight: Array) -> bool:
    """Whether the true threshold may lie on either side of a step that is wide against what is known of its rank."""
    cumulative = np.cumsum(weight)
    likely = rank[(cumulative > 0.001) & (cumulative - weight < 0.999)]
    first, last = np.searchsorted(roc.fp, np.maximum(likely[[0, -1]], 1))
    mean = weight @ rank
    spread = np.sqrt(weight @ (rank - mean) ** 2)
    widths = np.diff(roc.fp, prepend=0)[first : last + 1]
    return bool(first < last and widths.max() > 3 * spread)


def _binomial(n: int, p: float) -> tuple[Array, Array]:
    """k and P[Binomial(n, p) = k], over all k that matter (within 5 standard deviations and 12)."""
    reach = 5 * np.sqrt(n * p * (1 - p)) + 12
    k = np.arange(max(0, int(n * p - reach)), min(n, int(n * p + reach)) + 1, dtype=np.float64)
    log_choose = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    weight = np.exp(log_choose + special.xlogy(k, p) + special.xlog1py(n - k, -p))
    return k, weight / weight.sum()


def _mixture_quantile(q: float, weight: Array, a: Array, b: Array) -> float:
    """The q-quantile of the mixture of Beta(a_k, b_k); Beta(0, b) is a point mass at 0. Needs q < 1/2."""
    at_zero = a <= 0
    if weight[at_zero].sum() >= q:
        return 0.0
    a, b, w, rest = a[~at_zero], b[~at_zero], weight[~at_zero], q - weight[at_zero].sum()
    w, rest = w / w.sum(), rest / w.sum()
    low, high = sorted(special.betaincinv(a[[0, -1]], b[[0, -1]], rest))  # of the components, a is monotone
    margin = 1e-9
    return float(
        optimize.brentq(
            lambda x: w @ special.betainc(a, b, x) - rest,
            max(0.0, low - margin),
            min(1.0, high + margin),
            xtol=margin,
        )
    )
