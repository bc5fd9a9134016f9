"""How often models are right: on records that they trained on, and on others."""

import numpy as np

from ..core.results import Row
from ..metrics import Sample
from ..metrics.statistics.clusters import effective_size
from ..metrics.statistics.intervals import clopper_pearson, difference_interval
from ..signals.types import Bools


def rate(metric: str, defence: str, hit: Bools, counted: Bools) -> Row:
    """A share of hits [M, N] where `counted`, with its interval clustered by model and record."""
    model, record = np.nonzero(counted)
    hits = hit[counted]
    n = effective_size(hits, model, record)
    value = float(hits.mean())
    return Row(metric, value, *clopper_pearson(n * value, n), defence=defence, detail={"n": hits.size})


def generalisation_gap(defence: str, correct: Bools, members: Bools, audited: Bools) -> Row:
    """Accuracy on members minus accuracy on non-members, as TPR - FPR of "correct, so a member" [T, N]."""
    model, record = np.nonzero(audited)
    called, nowhere = correct[audited], np.zeros(len(model), dtype=bool)
    sample = Sample(called.astype(np.float64), members[audited], model, record, select=nowhere)
    rates = difference_interval(sample, called)
    return Row("generalisation_gap", rates.difference, rates.lo, rates.hi, defence=defence)
