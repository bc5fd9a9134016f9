"""Records like x: what attackers borrow from them where x itself says little."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..signals.models import Moments
from ..signals.types import Array, Labels


class Neighbours:
    """For each record the `reach` records of its class next to it on either side, by mean OUT statistic."""

    def __init__(self, outside: Moments, labels: Labels | None, reach: int | None) -> None:
        """`reach` None: all records of the class; `labels` None: all records are of one class."""
        hardness = outside.mean.mean(axis=0)
        of_class: NDArray[Any] = np.zeros(hardness.size, dtype=np.int64) if labels is None else labels
        self.order = np.lexsort((hardness, of_class))
        ordered, place = of_class[self.order], np.arange(hardness.size)
        wide = hardness.size if reach is None else reach
        self.first = np.maximum(np.searchsorted(ordered, ordered, side="left"), place - wide)
        self.last = np.minimum(np.searchsorted(ordered, ordered, side="right"), place + wide + 1)

    def total(self, values: Array) -> Array:
        """The sum of values [..., N] over the neighbours of each record, without itself [..., N]."""
        ordered = values[..., self.order]
        sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(ordered, axis=-1)], axis=-1)
        found = np.empty(values.shape)
        found[..., self.order] = sums[..., self.last] - sums[..., self.first] - ordered
        return found

    def moments(self, inside: Moments) -> tuple[Array, Array, Array]:
        """Count [N], mean [V, N] and variance [N] of single values over the neighbours; 0 where there is none."""
        centre = inside.mean[:, inside.n > 0].mean() if (inside.n > 0).any() else 0.0
        off = np.where(inside.n > 0, inside.mean - centre, 0.0)
        count = np.maximum(self.total(inside.n), 0)
        some = np.maximum(count, 1)
        mean = self.total(inside.n * off) / some
        square = self.total(inside.m2 + inside.n * off**2) / some
        return count, np.where(count > 0, mean + centre, 0.0), np.maximum(square - mean**2, 0.0).mean(axis=0)
