"""Variance of a sum over scores that share models and records, and the sample size that it amounts to."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..types import Array, Bools

Ints = NDArray[np.intp]


class Clustered(NamedTuple):
    """The variance of a sum of influence values, with what is needed to judge how well it is known."""

    variance: float
    independent: float  # what the variance would be if no two values depended on each other
    df: float
    n: int
    records: int  # distinct records
    events: float  # (sum psi^2)^2 / sum psi^4: for a rare event how often it was seen, for a coin n

    def widening(self, level: float) -> float:
        """(t_df / t_{n-1})^2 >= 1: how much more variance must be allowed for, as it was estimated from clusters."""
        q = (1 + level) / 2
        t, t_all = special.stdtrit(self.df, q), special.stdtrit(max(self.n - 1, 1), q)
        return max(1.0, float(t / t_all) ** 2)

    def design_effect(self, level: float) -> float:
        """How many times the clusters inflate the variance, at least 1; exactly 1 for one model.

        Few events say little about how they cluster; so one event is added that brings its whole record along:
        (events * inflation + n / records) / (events + 1). Without any event, n / records is all there is.
        """
        mean_cluster = self.n / self.records
        if self.independent == 0:
            return mean_cluster
        inflation = max(1.0, self.variance / self.independent * self.widening(level))
        return (self.events * inflation + mean_cluster) / (self.events + 1)


def clustered_variance(psi: Array, model: Ints, record: Ints) -> Clustered:
    r"""The variance of sum psi, where values of one model, and values of one record, depend on each other.

    Formula: V = V_record + max(0, V_model - V_cell) * inflation,  V_g = G/(G-1) sum_g S_g^2,  S_g = sum psi in g
        (Cameron, Gelbach and Miller's V_model + V_record - V_cell). The part due to models comes from few clusters:
        its estimate is noisy, so it is not let below 0, and small in the very samples that lack an outlying model,
        so it gets the jackknife's further G/(G-1), one more model as far out as the furthest seen (1 + max S^2 /
        sum S^2), and a third of the usual degrees of freedom, (G+1)/3, in Satterthwaite's sum.
        One model: V = V_record = V_cell, the variance of independent records.
    Shapes:  psi, model, record [n]: influence values; ids of model and record, small non-negative integers.
    Source:  Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering", section 2. The constants
        are ours, chosen by the simulated coverage in docs/coverage.md.
    """
    n, squares = psi.size, psi * psi
    total = float(squares.sum())
    cell = total * n / max(n - 1, 1)
    of_record, records = _sums(psi, record)
    df = float(max(records - 1, 1))
    variance = cell if records == n else _length(of_record) * records / df
    events = total**2 / _length(squares) if total > 0 else 0.0
    if model.min() != model.max():
        of_model, models = _sums(psi, model)
        by_model = _length(of_model) * models / (models - 1)
        if by_model > cell:
            furthest = float((of_model**2).max() / _length(of_model))
            by_record, record_df = variance, df
            variance += (by_model - cell) * models / (models - 1) * (1 + furthest)
            noise = by_record**2 / record_df + min(variance, by_model) ** 2 / ((models + 1) / 3)
            df = max(1.0, variance**2 / noise)
    return Clustered(variance, cell, df, n, records, events)


def _length(values: Array) -> float:
    """The sum of squares; unlike a product of two vectors it is rounded alike in any number of threads."""
    return float(np.square(values).sum())


def _sums(psi: Array, cluster: Ints) -> tuple[Array, int]:
    """The sum of psi in each cluster, and how many clusters there are."""
    return np.bincount(cluster, weights=psi).astype(np.float64), int(np.count_nonzero(np.bincount(cluster)))


def effective_size(hits: Bools, model: Ints, record: Ints, level: float = 0.95) -> float:
    """How many independent trials know as much about a rate as these n clustered ones: n / design effect.

    With one model it is n, exactly; where all hits are equal, it is the number of distinct records.
    Source: Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data".
    """
    psi = (hits - hits.mean()) / hits.size
    return hits.size / clustered_variance(psi, model, record).design_effect(level)
