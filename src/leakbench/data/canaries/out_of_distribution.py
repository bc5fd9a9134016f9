from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..dataset import Dataset, Indices
from .base import Canaries, CanaryKind


@dataclass(frozen=True)
class OutOfDistribution(CanaryKind):
    """Records unlike all others, under the labels of the records whose place they take.

    Formula: images: every pixel uniform in 0..1; tables: every column drawn by itself from its values among the
             candidate records, so that each value occurs and their combination does not
    Source:  Aerni et al. 2024, arXiv 2404.17399, against DP-SGD and self-supervised training
    Differs: theirs are images of another data set (ImageNet), which a study does not have
    """

    name: ClassVar[str] = "out_of_distribution"
    source: ClassVar[str] = "Aerni et al. 2024, arXiv 2404.17399"

    def make(self, dataset: Dataset, rows: Indices, rng: np.random.Generator) -> Canaries:
        shape = dataset.x[rows].shape
        if dataset.is_image:
            return Canaries(rng.random(shape, dtype=np.float32), dataset.y[rows])
        from_rows = rng.choice(dataset.parts["pool"], shape)
        return Canaries(dataset.x[from_rows, np.arange(shape[1])], dataset.y[rows])
