"""How much the outputs change with the record: by class, from outputs for noisy copies of it."""

import numpy as np

from .axes import Numbers
from .statistics import Array, log_softmax


def sensitivity(z: Numbers, noisy: Numbers, scale: float) -> Array:
    """(1/K) sum_k |f(x + scale u_k) - f(x)| / scale, for each class (Yuan & Zhang 2022, section 4.2).

    From logits z [N, C] and those on K noisy copies [K, N, C] -> [N, C]. It goes with the norm of the gradient
    of f_c. The change of the largest probability is minus that of all others together: near 1 its own digits
    have cancelled, and a record of which the model is certain would read 0 or rounding.
    """
    log_f = log_softmax(z.astype(np.float64))
    f, top = np.exp(log_f), log_f.argmax(axis=-1)[:, None]
    total = np.zeros_like(f)
    for copy in noisy:  # one at a time: K of them in float64 would be large
        change = np.exp(log_softmax(copy.astype(np.float64))) - f
        np.put_along_axis(change, top, 0.0, axis=-1)
        np.put_along_axis(change, top, change.sum(axis=-1, keepdims=True), axis=-1)
        total += np.abs(change)
    return total / (len(noisy) * scale)
