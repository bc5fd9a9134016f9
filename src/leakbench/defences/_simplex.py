"""Turns the numbers of an output transform into a distribution."""

import numpy as np

from ..signals.statistics import LOG_FLOOR, log_softmax
from ..signals.types import Array


def probabilities(logits: Array) -> Array:
    """softmax(z) [..., C]."""
    return np.exp(log_softmax(logits))


def log_distribution(values: Array) -> Array:
    """Log-probabilities of finite values [..., C]: negative ones count as 0, and the rest is normalised.

    A probability of 0 is `LOG_FLOOR`; a row with nothing above 0 becomes uniform.
    """
    positive = np.maximum(values, 0.0)
    total = positive.sum(axis=-1, keepdims=True)
    empty = total <= 0
    p = np.where(empty, 1.0 / values.shape[-1], positive / np.where(empty, 1.0, total))
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), LOG_FLOOR)
