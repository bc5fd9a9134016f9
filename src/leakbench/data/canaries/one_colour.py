from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..dataset import Dataset, Indices
from .base import Canaries, CanaryKind


@dataclass(frozen=True)
class OneColour(CanaryKind):
    """Images of a single colour each, with a random label.

    Formula: the colour is uniform in 0..1 in each channel, the label uniform over the classes
    Source:  Aerni et al. 2024, arXiv 2404.17399 (blank images)
    """

    name: ClassVar[str] = "one_colour"
    source: ClassVar[str] = "Aerni et al. 2024, arXiv 2404.17399"
    of = ("images",)

    def make(self, dataset: Dataset, rows: Indices, rng: np.random.Generator) -> Canaries:
        shape = dataset.x[rows].shape
        x = np.broadcast_to(rng.random((*shape[:2], 1, 1), dtype=np.float32), shape)
        return Canaries(x, rng.integers(len(dataset.classes), size=len(rows)))
