from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ...core.seeds import stream
from ..dataset import Dataset
from .base import MOST_MODELS, Design, Split, complementary


@dataclass(frozen=True)
class Single(Design):
    """One model on a given split: the pool are its members, the test part its non-members.

    Shadow models, if any, train on complementary random halves of pool and test part together: if they did
    not train on the test part, a record that a shadow model has seen would be a member of the target.

    Shapes: pool + test [N] -> members [1 + S, N]; audited everywhere; model 0 is the target
    Source: TensorFlow Privacy, membership_inference_attack, which takes one model's train and test sets
    Limits: the test part holds candidate records, so there is no population. If the split is not random (by date,
        by source), attacks detect more than membership.
    """

    name: ClassVar[str] = "single"
    source: ClassVar[str] = "TensorFlow Privacy, membership_inference_attack"

    shadows: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.shadows <= MOST_MODELS or self.shadows % 2:
            raise InputError(
                "shadows must be 0 or an even number (complementary pairs) of at most "
                f"{MOST_MODELS}, got {self.shadows}"
            )

    def split(self, dataset: Dataset, seed: int) -> Split:
        pool, test = dataset.parts["pool"], dataset.parts["test"]
        if not len(test):
            raise InputError(
                f"{dataset.name!r} must have a test part, the non-members of this design, got none"
            )
        given = np.arange(len(pool) + len(test)) < len(pool)
        halves = complementary(len(given), self.shadows, stream(seed, "design", self.name))
        members = np.vstack([given, halves])
        dev = (dataset.parts["dev"],) * len(members)
        records = np.concatenate([pool, test])
        return Split(records, members, np.ones_like(members), dev, (0,)).check(dataset)
