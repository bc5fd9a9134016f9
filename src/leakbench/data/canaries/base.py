"""The interface of canaries: candidate records that a model memorises if it memorises any."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.registry import Plugin
from ..dataset import Dataset, Indices


@dataclass(frozen=True, eq=False)
class Canaries:
    """Records x [n, ...] with labels y [n], and their twins, which every model trains on and no attack scores."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    twins: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None  # records [n, ...] and labels [n]


class CanaryKind(Plugin):
    """Turns some candidate records into canaries. As for every record, the design chooses their models."""

    of: ClassVar[tuple[Literal["images", "tables"], ...]] = (
        "images",
        "tables",
    )  # data that there are such canaries of

    def choose(self, dataset: Dataset, free: Indices, n: int, rng: np.random.Generator) -> Indices:
        """n of the rows `free`, which become canaries. Default: at random."""
        return rng.choice(free, n, replace=False)

    def make(self, dataset: Dataset, rows: Indices, rng: np.random.Generator) -> Canaries:
        """The canaries that take the place of these rows [n]."""
        raise NotImplementedError


def wrong_labels(dataset: Dataset, rows: Indices, rng: np.random.Generator) -> NDArray[np.int64]:
    """A label for each row [n], uniform over the classes other than its own."""
    classes = len(dataset.classes)
    return (dataset.y[rows] + rng.integers(1, classes, size=len(rows))) % classes
