r"""The statistics of an answer: one number for each record, from its logits and its label.

Letters: z logits [..., N, C] (log-probabilities are logits too), y labels [N], f = softmax(z), p = f_y.
All in float64 and in nats. Every function takes `(z, y)` and returns [..., N]; what a label-free one ignores is y.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

LOG_FLOOR = float(np.log(1e-30))  # the logarithm of a probability that rounded to zero (Song & Mittal's clip)


def logsumexp(z: Array) -> Array:
    """log sum_c exp z_c over the last axis, without overflow; -inf where all are -inf."""
    top = z.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(z - top).sum(axis=-1)) + top[..., 0])


def log_softmax(z: Array) -> Array:
    """log f [..., N, C]."""
    return z - logsumexp(z)[..., None]


def _true(z: Array, y: Labels) -> Array:
    index = np.broadcast_to(y[:, None], (*z.shape[:-1], 1))
    return np.take_along_axis(z, index, axis=-1)[..., 0]


def _others(z: Array, y: Labels) -> Array:
    """z with the true class at -inf, so that it drops out of a maximum or a sum."""
    return np.where(np.arange(z.shape[-1]) == y[:, None], -np.inf, z)


def loss(z: Array, y: Labels) -> Array:
    """Cross-entropy, l = -log p."""
    return logsumexp(z) - _true(z, y)


def confidence(z: Array, y: Labels) -> Array:
    """The true label's probability, p."""
    return np.exp(-loss(z, y))


def logodds(z: Array, y: Labels) -> Array:
    """phi = log p - log(1 - p) = z_y - log sum_{c != y} exp z_c, stable at p -> 1 (Carlini et al. 2022)."""
    return _true(z, y) - np.maximum(logsumexp(_others(z, y)), _true(z, y) + LOG_FLOOR)


def hinge(z: Array, y: Labels) -> Array:
    """Margin on logits, z_y - max_{c != y} z_c."""
    return _true(z, y) - _others(z, y).max(axis=-1)


def entropy(z: Array, y: Labels) -> Array:
    """H(f) = -sum_c f_c log f_c, with 0 log 0 = 0. Needs no label."""
    logp = np.maximum(log_softmax(z), LOG_FLOOR)
    return np.maximum(-(np.exp(logp) * logp).sum(axis=-1), 0.0)


def modified_entropy(z: Array, y: Labels) -> Array:
    """Mentr = -(1 - p) log p - sum_{c != y} f_c log(1 - f_c)  (Song & Mittal 2021, equation 8)."""
    logp = np.maximum(log_softmax(z), LOG_FLOOR)
    p = np.exp(logp)
    others = np.arange(z.shape[-1]) != y[:, None]
    log_rest = np.log(np.maximum(1.0 - p, np.exp(LOG_FLOOR)))
    wrong = np.where(others, p * log_rest, 0.0).sum(axis=-1)
    return -(1.0 - _true(p, y)) * _true(logp, y) - wrong


def top_confidence(z: Array, y: Labels) -> Array:
    """The largest probability, max_c f_c. Needs no label."""
    return np.exp(z.max(axis=-1) - logsumexp(z))


def correct(z: Array, y: Labels) -> Array:
    """1 where the predicted class is the label, else 0."""
    return (z.argmax(axis=-1) == y).astype(np.float64)


STATISTICS: dict[str, Callable[[Array, Labels], Array]] = {
    f.__name__: f
    for f in (loss, confidence, logodds, hinge, entropy, modified_entropy, top_confidence, correct)
}  # fmt: skip

FROM_LOSS: dict[str, Callable[[Array], Array]] = {
    "loss": lambda l: l,
    "confidence": lambda l: np.exp(-l),
    "logodds": lambda l: -l - np.maximum(np.log(np.maximum(-np.expm1(-l), 1e-300)), -l + LOG_FLOOR),
}  # what a bare loss still determines
