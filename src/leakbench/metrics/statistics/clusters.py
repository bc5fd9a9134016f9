"""Variance of a sum over scores that share models and records, and the sample size that it amounts to."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from ...signals.types import Array, Bools

Ints = NDArray[np.intp]


QUANTILES = (np.arange(200) + 0.5) / 200


class Clustered(NamedTuple):
    """The variance of a sum of influence values, in its parts, each known from as many clusters as there are."""

    by_record: float  # V_record
    by_model: float  # V_model; 0 for one model
    furthest: float  # the share of the furthest model in it
    independent: float  # V_cell: what the variance would be if no two values depended on each other
    n: int
    models: int
    records: int
    events: float  # (sum psi^2)^2 / sum psi^4: for a rare event how often it was seen, for a coin n

    @property
    def variance(self) -> float:
        """V_record + max(0, V_model - V_cell)."""
        return self.by_record + max(0.0, self.by_model - self.independent)

    def half_width(self, level: float = 0.95) -> float:
        r"""Half the interval of the sum, which allows for how well each part of the variance is known.

        Formula: h with P(|Z| > h / sqrt(W)) = 1 - level,  Z ~ N(0, 1) and, independent of it,
            W = (t / z)^2 V_record + (1 + furthest) max(0, V_model G / X - V_cell),  X ~ chi^2 with G degrees of
            freedom, t and z the quantiles of Student's t (records - 1 degrees of freedom) and of N(0, 1).
            Few models make V_model noisy, and small in the very samples that lack an outlying model; so one more
            model is assumed, as far out as the furthest of the G seen: hence G degrees of freedom, and 1 + furthest.
            So V_model below V_cell, which happens by chance, does not count as proof that models do not differ.
            One model: h = t sqrt(V_record).
        Source:  Weerahandi 1993, "Generalized confidence intervals" (a generalised pivot for V_model). The assumed
            model is ours, chosen by the simulated coverage in docs/coverage.md.
        """
        q = (1 + level) / 2
        z, t = special.ndtri(q), special.stdtrit(max(self.records - 1, 1), q)
        w = np.full(QUANTILES.size, self.by_record * (t / z) ** 2)
        if self.models > 1:
            excess_of_models = self.by_model / _relative_variances(self.models) - self.independent
            w += (1 + self.furthest) * np.maximum(0.0, excess_of_models)
        spread = np.sqrt(w[w > 0])
        if spread.size == 0 or spread.max() == spread.min():
            return float(z * np.sqrt(w[0]))

        def excess(h: float) -> float:
            return float(2 * special.ndtr(-h / spread).sum() / w.size - (1 - level))

        return (
            float(optimize.brentq(excess, 0.0, 2 * z * spread.max(), rtol=1e-9)) if excess(0.0) > 0 else 0.0
        )

    def effective_variance(self, level: float) -> float:
        """The variance that would give as wide an interval if it rested on n independent values."""
        if self.records == self.n:
            return self.by_record
        return float(self.half_width(level) / special.stdtrit(max(self.n - 1, 1), (1 + level) / 2)) ** 2

    def design_effect(self, level: float, least: float = 1.0, added: float = 1.0) -> float:
        """How many times the clusters inflate the variance, at least `least`; exactly 1 for one model.

        Few events say little about how they cluster; so `added` events are added that bring their whole records along:
        (events * inflation + added * n / records) / (events + added). Without any event, n / records is all there is.
        """
        mean_cluster = self.n / self.records
        if self.independent == 0:
            return mean_cluster
        inflation = max(least, self.effective_variance(level) / self.independent)
        return (self.events * inflation + added * mean_cluster) / (self.events + added)


@lru_cache
def _relative_variances(df: int) -> Array:
    """Quantiles of chi^2 / df [Q]: how far a variance from so many degrees of freedom may be off."""
    return np.asarray(2 * special.gammaincinv(df / 2, QUANTILES) / df)


def clustered_variance(psi: Array, model: Ints, record: Ints) -> Clustered:
    r"""The variance of sum psi, where values of one model, and values of one record, depend on each other.

    Formula: V = V_record + max(0, V_model - V_cell),  V_g = G/(G-1) sum_g S_g^2,  S_g = sum psi in g
        (Cameron, Gelbach and Miller, whose sum may be negative).
        One model: V = V_record = V_cell, the variance of independent records.
    Shapes:  psi, model, record [n]: influence values; ids of model and record, small non-negative integers.
    Source:  Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering", section 2.
    """
    n, squares = psi.size, psi * psi
    total = float(squares.sum())
    cell = total * n / max(n - 1, 1)
    of_record, records = _sums(psi, record)
    by_record = cell if records == n else _length(of_record) * records / max(records - 1, 1)
    events = total**2 / _length(squares) if total > 0 else 0.0
    of_model, models = _sums(psi, model)
    by_model, furthest = _length(of_model) * models / max(models - 1, 1), 0.0
    if models > 1 and by_model > 0:
        furthest = float(np.square(of_model).max() / _length(of_model))
    return Clustered(by_record, by_model, furthest, cell, n, models, records, events)


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
