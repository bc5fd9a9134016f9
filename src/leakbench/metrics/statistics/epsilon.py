"""A lower bound on the epsilon of differential privacy from error rates over many trainings."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ...core.checks import within
from ...core.errors import InputError
from ...signals.types import Array
from .intervals import rate_interval
from .sample import Sample, missing_group

THRESHOLDS = 2000


class EpsilonBound(NamedTuple):
    """A lower bound on epsilon with the threshold and the upper limits that it rests on."""

    epsilon: float
    threshold: float
    fpr_hi: float
    fnr_hi: float


def epsilon_lower_bound(sample: Sample, delta: float = 0.0, level: float = 0.95) -> EpsilonBound:
    r"""A bound that epsilon exceeds with confidence `level`, from FPR and FNR at a threshold chosen on the other half.

    Formula: max{ln((1 - delta - FPR) / FNR), ln((1 - delta - FNR) / FPR), 0} with upper limits FPR, FNR, each at
        error (1 - level) / 2, on the half that is not `sample.select`; the threshold is the one at which the same
        formula is largest on `sample.select`, of at most 2 THRESHOLDS, densest at both ends. The bound over all
        thresholds of the same scores would be above 0 on pure noise almost always.
    Source:  Kairouz, Oh and Viswanath 2015, theorem 2.1, arXiv 1311.0776
    Raises:  InputError if a half lacks members or non-members, or delta is not in [0, 1).
    """
    choosing, rest = sample.choosing, sample.rest
    within("delta", delta, 0.0, 1.0)
    if problem := missing_group(choosing) or missing_group(rest):
        raise InputError(f"each half {problem}")
    roc, tail = choosing.roc, (1 - level) / 2
    near = np.geomspace(1, roc.fp.size, THRESHOLDS).astype(np.intp)  # of either end, densest there
    tried = np.union1d(near - 1, roc.fp.size - near)
    fp, tp = roc.fp[tried], roc.tp[tried]
    fpr = special.betaincinv(fp + 1, np.maximum(roc.n0 - fp, 1e-9), 1 - tail)
    fnr = special.betaincinv(roc.n1 - tp + 1, np.maximum(tp, 1e-9), 1 - tail)
    threshold = float(roc.thresholds[tried[np.argmax(_epsilon(fpr, fnr, delta))]])
    called, m = rest.scores >= threshold, rest.members
    fpr_hi = rate_interval(called[~m], rest.nonmember_part, level).hi
    fnr_hi = rate_interval(~called[m], rest.member_part, level).hi
    bound = _epsilon(np.array([fpr_hi]), np.array([fnr_hi]), delta)[0]
    return EpsilonBound(float(bound), threshold, fpr_hi, fnr_hi)


def _epsilon(fpr: Array, fnr: Array, delta: float) -> Array:
    ratio = np.maximum((1 - delta - fpr) / fnr, (1 - delta - fnr) / fpr)
    return np.log(np.maximum(ratio, 1.0))
