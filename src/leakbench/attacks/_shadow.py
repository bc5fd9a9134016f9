"""What the attacks that compare a record with itself in other models share."""

import numpy as np
from scipy.special import gammaln

from ..signals.models import Moments, Shadows
from ..signals.types import Array


def mean_inside(inside: Moments, outside: Moments) -> Array:
    """mu_in [V, N]; without an IN model, mu_out plus the mean of mu_in - mu_out over the other records."""
    both = (inside.n > 0) & (outside.n > 0)
    if inside.n.all() or not both.any():
        return inside.mean
    shift = (inside.mean - outside.mean)[:, both].mean(axis=1, keepdims=True)
    return np.where(inside.n > 0, inside.mean, outside.mean + shift)


def inside_and_outside(shadows: Shadows, statistic: str) -> tuple[Moments, Moments]:
    """The moments of a statistic over the IN and over the OUT models of each record."""
    return shadows.moments(statistic, inside=True), shadows.moments(statistic, inside=False)


def log_student(x: Array, freedom: Array, location: Array, variance: Array) -> Array:
    """The log density of Student's t with `variance` = scale^2, summed over views: [V, N] -> [N]."""
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - np.log(freedom * np.pi * variance) / 2
    return np.asarray(
        (constant - (freedom + 1) / 2 * np.log1p((x - location) ** 2 / (freedom * variance))).sum(axis=0)
    )
