"""What the guesses of one training refute: lower bounds on epsilon without an assumption on the attack.

m canaries were put into the training or left out by fair coins. The attacker guessed r of them, v rightly, and
abstained on the others. r is fixed before the memberships are looked at: the largest bound over several r is none.
"""

import numpy as np
from scipy import optimize, special

from ...core.errors import InputError


def one_run_p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    r"""The chance that an (epsilon, delta)-private training lets `v` or more of `r` guesses be right.

    Formula: P[B >= v] + 2 m delta max_{1 <= i <= v} P[v > B >= v - i] / i,  B ~ Binomial(r, 1 / (1 + e^-epsilon))
    Source:  Steinke, Nasr and Jagielski 2023, appendix D, arXiv 2305.08846
    Raises:  InputError unless 0 <= v <= r <= m and 0 <= delta < 1.
    """
    _check(m, r, v, delta)
    if v == 0:
        return 1.0
    i = np.arange(1, v + 1)
    below = special.bdtr(np.arange(v), r, special.expit(epsilon))  # P[B <= 0], ..., P[B <= v - 1]
    between = below[-1] - np.append(0.0, below[:-1])[v - i]
    at_least = special.bdtrc(v - 1, r, special.expit(epsilon))
    return float(min(1.0, at_least + 2 * m * delta * (between / i).max()))


def one_run_epsilon(m: int, r: int, v: int, delta: float, beta: float = 0.05) -> float:
    """The largest epsilon that the one-run audit refutes at error `beta`; 0 if it refutes none.

    Source: Steinke, Nasr and Jagielski 2023, arXiv 2305.08846. Raises InputError as `one_run_p_value` does.
    """
    if one_run_p_value(m, r, v, 0.0, delta) >= beta:
        return 0.0
    top = 1.0
    while one_run_p_value(m, r, v, top, delta) < beta:
        top *= 2
    return float(optimize.brentq(lambda e: one_run_p_value(m, r, v, e, delta) - beta, 0.0, top, xtol=1e-6))


def one_run_mu(m: int, r: int, v: int, beta: float = 0.05) -> float:
    r"""The largest mu for which the audit refutes mu-Gaussian differential privacy at error `beta`; 0 if none.

    Formula: with R = beta v / m and H = beta (r - v) / m, for i = v - 1, ..., 0
                 H' = max(H, Phi(Phi^-1(R) - mu)),  R = min(1, R + i / (r - i) (H' - H)),  H = H';
             mu is refuted where R + H > r / m.
    Source:  Mahloujifar, Melis and Chaudhuri 2024, "Auditing f-differential privacy in one run", arXiv 2410.22235
    Raises:  InputError unless 0 <= v <= r <= m.
    """
    _check(m, r, v, 0.0)

    def refuted(mu: float) -> bool:
        right, wrong = beta * v / m, beta * (r - v) / m
        for i in range(v - 1, -1, -1):
            more = max(wrong, float(special.ndtr(special.ndtri(right) - mu)))
            right, wrong = min(1.0, right + i / (r - i) * (more - wrong)), more
        return right + wrong > r / m

    low, high = 0.0, 1.0
    if not refuted(1e-6):
        return 0.0
    while refuted(high):
        low, high = high, 2 * high
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def gaussian_delta(mu: float, epsilon: float) -> float:
    """The delta of a mu-Gaussian private training at an epsilon.

    Formula: Phi(-epsilon / mu + mu / 2) - e^epsilon Phi(-epsilon / mu - mu / 2)
    Source:  Dong, Roth and Su 2022, "Gaussian differential privacy", corollary 2.13, arXiv 1905.02383
    """
    return float(
        special.ndtr(-epsilon / mu + mu / 2) - np.exp(epsilon + special.log_ndtr(-epsilon / mu - mu / 2))
    )


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The epsilon of a mu-Gaussian private training: the inverse of `gaussian_delta`; infinite at delta = 0."""
    if mu == 0 or gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    if delta == 0:
        return np.inf
    top = 1.0
    while gaussian_delta(mu, top) > delta:
        top *= 2
    return float(optimize.brentq(lambda e: gaussian_delta(mu, e) - delta, 0.0, top, xtol=1e-9))


def _check(m: int, r: int, v: int, delta: float) -> None:
    if not 0 <= v <= r <= m or not 0 <= delta < 1:
        raise InputError(
            f"must be 0 <= v <= r <= m and 0 <= delta < 1, got v={v}, r={r}, m={m}, delta={delta}"
        )
