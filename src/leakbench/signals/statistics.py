r"""Statistics of outputs: one number per record, from its logits and its label.

Letters: z logits [..., N, C] (log-probabilities are logits too), y labels [N], f = softmax(z), p = f_y.
All in float64 and in nats. Every function takes `(z, y)` and returns [..., N]; what a label-free one ignores
is y.

Everything is computed from differences of logits, never from 1 - p or from a difference of large sums: a
constant added to z changes nothing, and a loss of 1e-20 keeps all its digits. Finite logits are not clipped;
a logit of minus infinity, a probability of exactly 0, counts as `LOG_FLOOR` below the largest.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

LOG_FLOOR = float(np.log(1e-30))  # the logarithm of a probability that rounded to zero (Song & Mittal's clip)


def logsumexp(z: Array, axis: int = -1) -> Array:
    """log sum_c exp z_c over an axis, without overflow; -inf where all are -inf."""
    top = z.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(z - top).sum(axis=axis)) + top.squeeze(axis))


def _below_top(z: Array) -> Array:
    """d = z - max_c z_c, at most 0 and finite."""
    d: Array = z - z.max(axis=-1, keepdims=True)
    d[np.isneginf(d)] = LOG_FLOOR
    return d


def _rest(d: Array) -> Array:
    """sum_c exp d_c without the top class, whose own term is 1 [..., N]."""
    e = np.exp(d)
    np.put_along_axis(e, d.argmax(axis=-1)[..., None], 0.0, axis=-1)
    return np.asarray(e.sum(axis=-1))


def _true(z: Array, y: Labels) -> Array:
    index = np.broadcast_to(y[:, None], (*z.shape[:-1], 1))
    return np.take_along_axis(z, index, axis=-1)[..., 0]


def _others(z: Array, y: Labels) -> Array:
    """z with the true class at -inf, so that it drops out of a maximum or a sum."""
    return np.where(np.arange(z.shape[-1]) == y[:, None], -np.inf, z)


def residual(z: Array, y: Labels) -> tuple[Array, Array]:
    """log |f - e_y| [N] and (f - e_y) / |f - e_y| [N, C], for logits [N, C] in which the loss has the gradient f - e_y.

    f_y - 1 is minus the sum of the other classes, so that nothing cancels where f_y is nearly 1.
    """
    log_f = log_softmax(z)
    others = _others(log_f, y)
    log_rest = logsumexp(others)
    log_r = np.logaddexp(2 * log_rest, logsumexp(2 * others)) / 2
    u = np.exp(others - log_r[:, None])
    u[np.arange(len(y)), y] = -np.exp(log_rest - log_r)
    return log_r, u


def log_softmax(z: Array) -> Array:
    """log f [..., N, C], finite."""
    d = _below_top(z)
    return d - np.log1p(_rest(d))[..., None]


def loss(z: Array, y: Labels) -> Array:
    """Cross-entropy, l = -log p = log(1 + exp(-phi))."""
    return np.logaddexp(0.0, -logodds(z, y))


def confidence(z: Array, y: Labels) -> Array:
    """The true label's probability, p."""
    return np.exp(-loss(z, y))


def logodds(z: Array, y: Labels) -> Array:
    """phi = log p - log(1 - p) = z_y - log sum_{c != y} exp z_c  (Carlini et al. 2022)."""
    d = _below_top(z)
    return _true(d, y) - logsumexp(_others(d, y))


def hinge(z: Array, y: Labels) -> Array:
    """Margin on logits, z_y - max_{c != y} z_c."""
    d = _below_top(z)
    return np.asarray(_true(d, y) - _others(d, y).max(axis=-1))


def entropy(z: Array, y: Labels) -> Array:
    """H(f) = -sum_c f_c log f_c, as log s - sum_c e^d_c d_c / s with s = sum_c e^d_c. Needs no label."""
    d = _below_top(z)
    rest = _rest(d)
    return np.asarray(np.log1p(rest) - (np.exp(d) * d).sum(axis=-1) / (1.0 + rest))


def _log_rest(log_f: Array) -> Array:
    """log(1 - f_c) [..., N, C]; for the top class from the others' sum, since 1 - f_c may have cancelled."""
    top = log_f.argmax(axis=-1)
    f = np.exp(log_f)
    np.put_along_axis(f, top[..., None], 0.0, axis=-1)
    log_rest = np.log1p(-f)
    is_top = np.arange(f.shape[-1]) == top[..., None]
    return np.where(is_top, logsumexp(np.where(is_top, -np.inf, log_f))[..., None], log_rest)


def modified_entropy(z: Array, y: Labels) -> Array:
    """Mentr = -(1 - p) log p - sum_{c != y} f_c log(1 - f_c)  (Song & Mittal 2021, equation 8)."""
    log_f = log_softmax(z)
    log_rest = _log_rest(log_f)
    is_true = np.arange(z.shape[-1]) == y[:, None]
    terms = np.where(is_true, np.exp(log_rest) * log_f, np.exp(log_f) * log_rest)
    return np.asarray(-terms.sum(axis=-1))


def top_confidence(z: Array, y: Labels) -> Array:
    """The largest probability, max_c f_c. Needs no label."""
    return 1.0 / (1.0 + _rest(_below_top(z)))


def correct(z: Array, y: Labels) -> Array:
    """1 where the predicted class is the label, else 0; of equal logits the first class is predicted."""
    return np.asarray(z.argmax(axis=-1) == y, dtype=np.float64)


STATISTICS: dict[str, Callable[[Array, Labels], Array]] = {
    f.__name__: f
    for f in (loss, confidence, logodds, hinge, entropy, modified_entropy, top_confidence, correct)
}  # fmt: skip

LABEL_CORRECT, LABEL_COUNTS = (
    "label_correct",
    "label_counts",
)  # of all views, perturbed ones too; see `Signals`

TRAJECTORY = "trajectory"  # of a student's metrics; see `Signals`
LABEL_FREE = frozenset({"entropy", "top_confidence"})
GRADIENT_NORMS = ("log_gradient_norm", "log_last_gradient_norm")  # in all parameters, in the last layer's

READABLE: dict[str, str] = {
    "labels": "The labels of the records.",
    "logits": "The logits, or log-probabilities.",
    "score": "Ready scores.",
    "features": "The records themselves, as few numbers.",
    "sensitivity": "The change of the probabilities with the record, from noisy copies of it.",
    **{name: (f.__doc__ or "").splitlines()[0] for name, f in STATISTICS.items()},
    LABEL_CORRECT: "1 where the class predicted in a view is the label, for all views.",
    LABEL_COUNTS: "The number of views at each distance in which the predicted class is the label.",
    GRADIENT_NORMS[0]: "The logarithm of the norm of the loss's gradient in all parameters.",
    GRADIENT_NORMS[1]: "The logarithm of the norm of the loss's gradient in the last layer.",
    TRAJECTORY: "The metrics of a student that is distilled from the model, after each epoch.",
}  # everything that an attack can read, with its meaning


def _logodds_of_loss(loss: Array, resolution: float) -> Array:
    """phi = -log(exp l - 1), for a loss no smaller than its floating-point type can tell from 0."""
    resolved = np.maximum(loss, resolution)
    return -resolved - np.log(-np.expm1(-resolved))


def _resolved(p: Array, step: float) -> Array:
    """A rounded probability, no less than half a step."""
    return np.maximum(p, step / 2)


def _logodds_of_rounded(p: Array, step: float, others: int = 1) -> Array:
    """phi = log(p + step / 2) - log(1 - p + others * step / 2), of p = 0 for a zero.

    With `others` = 1 it is the empirical logit (Haldane 1956), for p and 1 - p are rounded alike. Of shares of votes
    `others` is the number of the other classes: each class has half a vote more than it got.
    """
    rounded = np.where(p < 0.75 * step, 0.0, p)  # a zero may already be given as half a step
    return np.asarray(np.log(rounded + step / 2) - np.log1p(others * step / 2 - rounded))


FROM_ROUNDED: dict[str, Callable[[Array, float, int], Array]] = {
    "loss": lambda p, step, others: -np.log(_resolved(p, step)),
    "confidence": lambda p, step, others: _resolved(p, step),
    "logodds": _logodds_of_rounded,
}  # what follows from the label's probability, where probabilities are rounded to multiples of a step

FROM_LOSS: dict[str, Callable[[Array, float], Array]] = {
    "loss": lambda loss, resolution: loss,
    "confidence": lambda loss, resolution: np.exp(-loss),
    "logodds": _logodds_of_loss,
}  # what a bare loss still determines; resolution = half the spacing of floats at 1, or half of a coarser step
