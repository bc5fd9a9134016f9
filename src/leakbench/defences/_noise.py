"""The common part of defences that add noise to the released probabilities."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.statistics import log_softmax
from ..signals.types import Array
from ._simplex import log_distribution, probabilities
from .base import Defence
from .defender import Defender, Transform


@dataclass(frozen=True)
class Noise(Defence):
    """Releases max(0, f + noise), normalised; each record, view and model has noise of its own."""

    keeps_argmax: ClassVar[bool] = False
    changes_output: ClassVar[bool] = True
    version: ClassVar[int] = 2
    cached_per_model: ClassVar[bool] = True

    scale: float = 0.1  # scale of the noise, in probability
    memoised: bool = True  # whether the noise of a record is the same in every query
    queries: int = 10  # queries per record whose outputs an attacker averages, unless `memoised`

    def __post_init__(self) -> None:
        if not (self.scale >= 0 and np.isfinite(self.scale)):
            raise InputError(f"scale must be at least 0, got {self.scale}")
        if self.queries < 1:
            raise InputError(f"queries must be at least 1 a record, got {self.queries}")

    @property
    def queries_per_record(self) -> int:
        return 1 if self.memoised else self.queries

    def release(self, defender: Defender) -> Transform:
        def released(logits: Array) -> Array:
            rng = defender.stream("noise", 0 if self.memoised else defender.repeat)
            return log_distribution(probabilities(logits) + self.noise(rng, logits.shape))

        return released

    def inverse(self, released: Array) -> Array:
        """The released outputs with a floor on probabilities of half the scale of the noise.

        The noise of a mean of n queries is sqrt(n) times smaller.
        """
        with np.errstate(divide="ignore"):
            floor = np.log(self.scale / np.sqrt(self.queries_per_record) / 2)
        return np.asarray(np.maximum(log_softmax(released), floor))

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Independent noise of the given shape."""
        raise NotImplementedError
