from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..dataset import Dataset, Indices
from .base import Canaries, CanaryKind, wrong_labels


@dataclass(frozen=True)
class Mislabelled(CanaryKind):
    """Real records with a wrong label, which a model can only memorise.

    Formula: x stays; y is uniform over the other classes
    Source:  Aerni et al. 2024, arXiv 2404.17399, against HAMP, RelaxLoss and distillation
    """

    name: ClassVar[str] = "mislabelled"
    source: ClassVar[str] = "Aerni et al. 2024, arXiv 2404.17399"

    def make(self, dataset: Dataset, rows: Indices, rng: np.random.Generator) -> Canaries:
        return Canaries(dataset.x[rows], wrong_labels(dataset, rows, rng))
