from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ...core.seeds import stream
from ..dataset import Dataset
from .base import MOST_MODELS, Design, Split, complementary


@dataclass(frozen=True)
class RandomHalf(Design):
    """Every model trains on a random half of the pool, its partner on the other half; all are targets.

    So every record has as many IN as OUT models, and every model is the target once, with the others as its
    shadow models.

    Shapes: pool [N] -> members [M, N]; audited everywhere; the data set's dev part for every model
    Source: Carlini et al. 2022, section IV, arXiv 2112.03570
    Differs: complementary pairs, so that training sets too are equally large; the authors' script balances
        each record over the models only.
    """

    name: ClassVar[str] = "random_half"
    source: ClassVar[str] = "Carlini et al. 2022, arXiv 2112.03570"

    models: int = 16

    def __post_init__(self) -> None:
        if not 2 <= self.models <= MOST_MODELS or self.models % 2:
            raise InputError(
                f"models must be an even number of at least 2 (pairs) and at most {MOST_MODELS}, got {self.models}"
            )

    def split(self, dataset: Dataset, seed: int) -> Split:
        pool = dataset.parts["pool"]
        members = complementary(len(pool), self.models, stream(seed, "design", self.name))
        dev = (dataset.parts["dev"],) * self.models
        return Split(pool, members, np.ones_like(members), dev, tuple(range(self.models))).check(dataset)
