"""The metrics of a student's prediction that are kept after each epoch of its distillation."""

import numpy as np

from .statistics import LOG_FLOOR, Array, Labels, entropy, log_softmax, loss, modified_entropy, top_confidence

METRICS = ("loss", "top_confidence", "sd", "entropy", "modified_entropy")


def metrics(z: Array, y: Labels) -> Array:
    """METRICS of logits [N, C] and labels [N] -> [5, N]; the sd is that of the probabilities over the classes."""
    f = np.exp(log_softmax(z))
    rows = [loss(z, y), top_confidence(z, y), f.std(axis=-1), entropy(z, y), modified_entropy(z, y)]
    return np.asarray(np.minimum(np.stack(rows), -LOG_FLOOR))
