from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Generator, Labels, Records, Sampler


@dataclass(frozen=True)
class Bootstrap(Generator):
    r"""Return the real records themselves: a positive control, whose leakage every audit must find.

    Formula: a record of class c is drawn with replacement from those x_i with y_i = c
    Shapes:  records [n, ...] -> [m, ...]
    Source:  Efron 1979, Bootstrap methods, Annals of Statistics 7(1)
    Limits:  no defence: a model trained on these records has trained on members. In m draws from m records
             about 37 % of the records are never drawn.
    """

    name: ClassVar[str] = "bootstrap"
    source: ClassVar[str] = "Efron 1979, Annals of Statistics 7(1)"

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        by_class = np.argsort(y, kind="stable")
        counts = np.bincount(y, minlength=len(classes))
        first = np.cumsum(counts) - counts  # [C] where each class begins in by_class
        return lambda labels, rng: x[by_class[first[labels] + rng.integers(counts[labels])]]
