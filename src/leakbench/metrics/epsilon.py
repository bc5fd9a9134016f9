"""Lower bounds on the epsilon of differential privacy, from what an attack achieved."""

from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from ..errors import InputError
from ..types import Array
from .base import Sample, missing_group
from .intervals import rate_interval


class EpsilonBound(NamedTuple):
    """A lower bound on epsilon with the threshold and the upper limits that it rests on."""

    epsilon: float
    threshold: float
    fpr_hi: float
    fnr_hi: float


def one_run_p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    r"""The chance that an (epsilon, delta)-private training lets `v` or more of `r` guesses be right.

    m canaries were put in or left out by fair coins; the attacker guessed r of them and abstained on the rest.

    Formula: P[B >= v] + 2 m delta max_{1 <= i <= v} P[v > B >= v - i] / i,  B ~ Binomial(r, 1 / (1 + e^-epsilon))
    Source:  Steinke, Nasr and Jagielski 2023, appendix D, arXiv 2305.08846
    Raises:  InputError unless 0 <= v <= r <= m and 0 <= delta < 1.
    """
    if not 0 <= v <= r <= m or not 0 <= delta < 1:
        raise InputError(
            f"must be 0 <= v <= r <= m and 0 <= delta < 1, got v={v}, r={r}, m={m}, delta={delta}"
        )
    if v == 0:
        return 1.0
    i = np.arange(1, v + 1)
    below = special.bdtr(np.arange(v), r, special.expit(epsilon))  # P[B <= 0], ..., P[B <= v - 1]
    between = below[-1] - np.append(0.0, below[:-1])[v - i]
    at_least = special.bdtrc(v - 1, r, special.expit(epsilon))
    return float(min(1.0, at_least + 2 * m * delta * (between / i).max()))


def one_run_epsilon(m: int, r: int, v: int, delta: float, beta: float = 0.05) -> float:
    """The largest epsilon that the one-run audit refutes at error `beta`; 0 if it refutes none.

    r must be fixed beforehand: the largest bound over several r is not a bound.
    Source: Steinke, Nasr and Jagielski 2023, arXiv 2305.08846. Raises InputError as `one_run_p_value` does.
    """
    if one_run_p_value(m, r, v, 0.0, delta) >= beta:
        return 0.0
    top = 1.0
    while one_run_p_value(m, r, v, top, delta) < beta:
        top *= 2
    return float(optimize.brentq(lambda e: one_run_p_value(m, r, v, e, delta) - beta, 0.0, top, xtol=1e-9))


def epsilon_lower_bound(sample: Sample, delta: float = 0.0, level: float = 0.95) -> EpsilonBound:
    r"""A bound that epsilon exceeds with confidence `level`, from FPR and FNR at a threshold chosen on the other half.

    Formula: max{ln((1 - delta - FPR) / FNR), ln((1 - delta - FNR) / FPR), 0} with upper limits FPR, FNR, each at
        error (1 - level) / 2, on the half that is not `sample.select`; the threshold is the one at which the same
        formula is largest on `sample.select`. The bound over all thresholds of the same scores would be above 0 on
        pure noise almost always.
    Source:  Kairouz, Oh and Viswanath 2015, theorem 2.1, arXiv 1311.0776
    Raises:  InputError if a half lacks members or non-members, or delta is not in [0, 1).
    """
    choosing, rest = sample.choosing, sample.rest
    problem = missing_group(choosing) or missing_group(rest)
    if problem or not 0 <= delta < 1:
        raise InputError(f"each half {problem}" if problem else f"delta must be in [0, 1), got {delta}")
    roc = choosing.roc
    tail = (1 - level) / 2
    fpr = special.betaincinv(roc.fp + 1, np.maximum(roc.n0 - roc.fp, 1e-9), 1 - tail)
    fnr = special.betaincinv(roc.n1 - roc.tp + 1, np.maximum(roc.tp, 1e-9), 1 - tail)
    threshold = float(roc.thresholds[np.argmax(_epsilon(fpr, fnr, delta))])
    called, m = rest.scores >= threshold, rest.members
    fpr_hi = rate_interval(called[~m], rest.nonmember_part, level).hi
    fnr_hi = rate_interval(~called[m], rest.member_part, level).hi
    bound = _epsilon(np.array([fpr_hi]), np.array([fnr_hi]), delta)[0]
    return EpsilonBound(float(bound), threshold, fpr_hi, fnr_hi)


def _epsilon(fpr: Array, fnr: Array, delta: float) -> Array:
    ratio = np.maximum((1 - delta - fpr) / fnr, (1 - delta - fnr) / fpr)
    return np.log(np.maximum(ratio, 1.0))
