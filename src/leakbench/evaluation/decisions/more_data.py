"""How many records or models would decide whether a number lies below a ceiling."""

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy import optimize

from ...metrics import Metric, Sample
from ...metrics.auc import Auc
from ...metrics.base import Estimate
from ...metrics.statistics.clusters import Clustered, clustered_variance
from ...metrics.statistics.intervals import auc_influence, clopper_pearson
from ...metrics.statistics.tpr_interval import tpr_influence
from ...metrics.tpr_at_fpr import TprAtFpr

MOST = 1000.0  # times the data, beyond which no number is told
TRIALS = 1e-3, 1e12  # between which the effective number of trials lies


class MoreData(NamedTuple):
    """How many times the records, and the models, would decide; None where no number of them would."""

    records: float | None
    models: float | None
    both: float | None  # as many times the records and the models


def more_data(metric: Metric, sample: Sample, found: Estimate, level: float, at_most: float) -> MoreData:
    r"""How much more data of the same kind would decide whether `metric` lies below a ceiling, if its value stays.

    Formula: with r times the records and m times the models, the variance of the influence values is
        V_cell' = V_cell / (r m),  V_record' = (V_record - V_cell) / r + V_cell',
        V_model' = max(0, V_model - V_cell) / m + V_cell'.
        The half-width h' follows from these (`Clustered.half_width`). The end of the interval that is nearest to the
        ceiling is Clopper and Pearson's for n trials, which gives n; with more data it is that for n (h / h')^2.
    """
    clusters = _clusters(metric, sample)
    if clusters is None or found.value == at_most:
        return MoreData(None, None, None)
    trials = _trials(found, at_most, level)
    width = clusters.half_width(level)

    def decides(records: float, models: float) -> bool:
        n = trials * (width / enlarged(clusters, records, models).half_width(level)) ** 2
        limits = clopper_pearson(found.value * n, n, level)
        return limits.hi <= at_most if found.value < at_most else limits.lo > at_most

    several = clusters.models > 1
    return MoreData(
        _least(lambda times: decides(times, 1.0)),
        _least(lambda times: decides(1.0, times)) if several else None,
        _least(lambda times: decides(times, times)) if several else None,
    )


def enlarged(clusters: Clustered, records: float, models: float) -> Clustered:
    """The variances with so many times the records and the models."""
    cell = clusters.independent / (records * models)
    return clusters._replace(
        by_record=max(0.0, clusters.by_record - clusters.independent) / records + cell,
        by_model=max(0.0, clusters.by_model - clusters.independent) / models + cell,
        furthest=clusters.furthest / models,
        independent=cell,
        n=round(clusters.n * records * models),
        models=round(clusters.models * models),
        records=round(clusters.records * records),
        events=clusters.events * records * models,
    )


def _clusters(metric: Metric, sample: Sample) -> Clustered | None:
    """The clusters of the influence values of an AUC or a TPR; None for other metrics."""
    if isinstance(metric, Auc):
        return clustered_variance(auc_influence(sample), sample.model, sample.record)
    if isinstance(metric, TprAtFpr) and metric.fpr:
        return clustered_variance(tpr_influence(sample, metric.fpr)[0], sample.model, sample.record)
    return None


def _trials(found: Estimate, at_most: float, level: float) -> float:
    """The number of trials for which the end of the interval on the ceiling's side is Clopper and Pearson's."""
    upper = found.value < at_most or found.lo == 0

    def excess(log_n: float) -> float:
        n = math.exp(log_n)
        limits = clopper_pearson(found.value * n, n, level)
        return limits.hi - found.hi if upper else found.lo - limits.lo

    low, high = map(math.log, TRIALS)
    return math.exp(optimize.brentq(excess, low, high)) if excess(low) > 0 > excess(high) else TRIALS[0]


def _least(decides: Callable[[float], bool]) -> float | None:
    """The smallest number of times, up to MOST, that decides."""
    if not decides(MOST):
        return None
    low, high = 1.0, MOST
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
