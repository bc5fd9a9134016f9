from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..dataset import Dataset, Indices
from .base import Canaries, CanaryKind, wrong_labels


@dataclass(frozen=True)
class NearDuplicate(CanaryKind):
    """Real records with a wrong label, each beside a noisy copy under the true label that every model trains on.

    Formula: canary (x, y'), y' uniform over the other classes; twin (x~, y).
             Images: x~ = x + noise N(0, I), cut to 0..1; tables: each feature of x~ is, with probability `noise`, that
             of another record, else that of x
    Source:  Aerni et al. 2024, arXiv 2404.17399, against SELENA: a network that left the twin out may have seen the
             canary, and teaches its label with the twin
    Differs: their twin is an exact copy, and is itself a member of half of the models
    """

    name: ClassVar[str] = "near_duplicate"
    source: ClassVar[str] = "Aerni et al. 2024, arXiv 2404.17399"

    noise: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.noise <= 1:
            raise InputError(f"noise must be in 0..1, got {self.noise}")

    def make(self, dataset: Dataset, rows: Indices, rng: np.random.Generator) -> Canaries:
        twins = self._copies(dataset, rows, rng)
        return Canaries(dataset.x[rows], wrong_labels(dataset, rows, rng), (twins, dataset.y[rows]))

    def _copies(self, dataset: Dataset, rows: Indices, rng: np.random.Generator) -> NDArray[np.float32]:
        x = dataset.x[rows]
        if dataset.is_image:
            return np.clip(x + self.noise * rng.standard_normal(x.shape, dtype=np.float32), 0, 1)
        others = dataset.x[rng.choice(dataset.parts["pool"], len(rows))]
        return np.where(rng.random(x.shape) < self.noise, others, x)
