"""Generators that fit every class on its own."""

from collections.abc import Callable

import numpy as np

from .base import Labels, Records, Sampler

ClassSampler = Callable[
    [int, np.random.Generator], Records
]  # n records of the one class that it was fitted on


def per_class(fit: Callable[[Records], ClassSampler], x: Records, y: Labels, classes: int) -> Sampler:
    """The sampler that calls, for each label, the sampler that `fit` returned for that class's records."""
    fitted = [fit(x[y == c]) for c in range(classes)]

    def sample(labels: Labels, rng: np.random.Generator) -> Records:
        made = np.empty((len(labels), *x.shape[1:]), np.float32)
        for c in np.unique(labels):
            rows = np.flatnonzero(labels == c)
            made[rows] = fitted[c](len(rows), rng)
        return made

    return sample
