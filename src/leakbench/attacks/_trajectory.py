"""The features of the attacks on students' trajectories."""

from collections.abc import Callable

import numpy as np

from ..core.errors import InputError
from ..signals.models import Target
from ..signals.statistics import TRAJECTORY
from ..signals.trajectories import METRICS, metrics
from ..signals.types import Array

SMALLEST = 1e-8  # of a metric
LINEAR = 3.0  # standard deviations up to which features are left as they are, more or less


def trajectory(target: Target) -> Array:
    """The logarithms of the metrics of the student after each of E epochs, then of the model itself [E + 1, 5, N].

    Raises InputError if the student diverged.
    """
    assert target.labels is not None
    students = target.statistic(TRAJECTORY).reshape(-1, len(METRICS), target.n_records)
    if not np.isfinite(students).all():
        raise InputError("every student must have finite outputs, and one diverged; lower the recipe's lr")
    own = np.mean([metrics(z, target.labels) for z in target.logits], axis=0)
    return np.asarray(np.log(np.maximum(np.concatenate([students, own[None]]), SMALLEST)))


def standardised(examples: Array) -> Callable[[Array], Array]:
    """A function that puts features [n, D] on the scale of the examples: 3 asinh(t / 3), t = (h - mean) / sd."""
    mean, sd = examples.mean(axis=0), examples.std(axis=0)
    scale = LINEAR * np.where(sd > 0, sd, 1.0)
    return lambda features: LINEAR * np.arcsinh((features - mean) / scale)
