from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..signals.types import Array
from .base import Defence
from .defender import Defender, Transform

BATCH = 1024  # random inputs in memory at once


@dataclass(frozen=True)
class HampOutput(Defence):
    r"""Release the output values of a random input, in the order of the record's own classes.

    Formula: output(z)_(i) = g(r)_(i) with (i) the i-th largest and r drawn uniformly: each feature of a table within
             the members' range, images within the range of all pixels, whole numbers where the members are whole
    Source:  Chen, Pattabiraman 2024, section IV-C, arXiv 2307.01610: HAMP's defence at test time
    Differs: each record's r is drawn once, so that repeated queries have the same output
    Limits:  Aerni et al. 2024, arXiv 2404.17399: it hides confidences from LiRA; label-only attacks do
             not change, and the order of the classes is released
    """

    name: ClassVar[str] = "hamp_output"
    source: ClassVar[str] = "Chen, Pattabiraman 2024, arXiv 2307.01610"
    changes_output: ClassVar[bool] = True
    cached_per_model: ClassVar[bool] = True

    def release(self, defender: Defender) -> Transform:
        draw = _drawer(defender.members().x)

        def released(logits: Array) -> Array:
            rng, rows = defender.stream("random inputs"), logits.reshape(-1, logits.shape[-1])
            out = np.empty_like(rows)
            for start in range(0, len(rows), BATCH):
                own = rows[start : start + BATCH]
                out[start : start + BATCH] = reordered(defender.query(draw(rng, len(own))), own)
            return out.reshape(logits.shape)

        return released


def reordered(values: Array, like: Array) -> Array:
    """The values [n, C], each row in the order of `like` [n, C], whose first largest class keeps the lead alone."""
    descending = -np.sort(-values, axis=1)
    tied = descending[:, 0] == descending[:, 1]
    descending[tied, 0] = np.nextafter(descending[tied, 0], np.inf)
    out = np.empty_like(like)
    np.put_along_axis(out, np.argsort(-like, axis=1, kind="stable"), descending, axis=1)
    return out


def _drawer(x: NDArray[np.float32]) -> Callable[[np.random.Generator, int], NDArray[np.float32]]:
    """Draws random inputs [n, ...] in the range of the records x [N, ...]."""
    axis = 0 if x.ndim == 2 else None
    low, high = x.min(axis=axis), x.max(axis=axis)
    whole = bool((x == np.round(x)).all())

    def draw(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
        shape = (n, *x.shape[1:])
        if whole:
            return rng.integers(low.astype(int), high.astype(int), shape, endpoint=True).astype(np.float32)
        return rng.uniform(low, high, shape).astype(np.float32)

    return draw
