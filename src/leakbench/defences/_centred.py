"""Logits without their common constant, which does not change the softmax, and their norm."""

import numpy as np

from ..signals.types import Array


def centred(logits: Array) -> Array:
    """z - mean_c z_c [..., C]."""
    return np.asarray(logits - logits.mean(axis=-1, keepdims=True))


def norm(z: Array, order: float) -> Array:
    """||z||_order over the classes [..., 1]."""
    return np.asarray(np.linalg.norm(z, ord=order, axis=-1, keepdims=True))
