"""What the attacks that divide by an average probability share; in logarithms, so that 1e-300 is no 0."""

import numpy as np

from ..signals.models import Shadows, Target
from ..signals.statistics import logsumexp
from ..signals.types import Array, Bools


def log_p(target: Target) -> Array:
    """log of the target's mean probability of the true label over views [N]."""
    log_p = -target.statistic("loss")  # [V, N]
    return logsumexp(log_p, axis=0) - float(np.log(log_p.shape[0]))


def log_mean_p(shadows: Shadows, chosen: Bools) -> Array:
    """log of the mean probability over views and over the models `chosen` [S, N]; -inf where none is [N]."""
    total, views = np.full(chosen.shape[1], -np.inf), 1
    for loss, there in zip(shadows.statistic("loss"), chosen, strict=True):
        total, views = np.logaddexp(total, np.where(there, logsumexp(-loss, axis=0), -np.inf)), len(loss)
    return np.asarray(total - np.log(np.maximum(chosen.sum(axis=0), 1) * views))


def reference_models(shadows: Shadows, online: bool) -> Bools:
    """Which models stand for "any model" [S, N]: all of them, or those that did not train on the record."""
    return np.ones_like(shadows.members) if online else ~shadows.members
