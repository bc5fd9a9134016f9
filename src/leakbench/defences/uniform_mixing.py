from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.types import Array
from ._simplex import log_distribution, probabilities
from .base import Defence


@dataclass(frozen=True)
class UniformMixing(Defence):
    r"""Mix the output with the uniform distribution: less confident, with the same predictions.

    Formula: output(z) = log((1 - weight) softmax(z) + weight / C),
             inverse(released) = log((softmax(released) - weight / C) / (1 - weight))
    Source:  the output that label smoothing aims at (Szegedy et al. 2016, section 7, arXiv 1512.00567), computed
             after training
    Limits:  one-to-one: an adaptive attacker undoes it. Only probabilities below about 1e-16 are lost, by the
             rounding of the sum
    """

    name: ClassVar[str] = "uniform_mixing"
    source: ClassVar[str] = "Szegedy et al. 2016, arXiv 1512.00567"
    changes_output: ClassVar[bool] = True
    monotone: ClassVar[bool] = True

    weight: float = 0.5  # share of the uniform distribution

    def __post_init__(self) -> None:
        if not 0 <= self.weight < 1:
            raise InputError(f"weight must be at least 0 and below 1, got {self.weight}")

    def output(self, logits: Array) -> Array:
        return np.asarray(
            np.log((1.0 - self.weight) * probabilities(logits) + self.weight / logits.shape[-1])
        )

    def inverse(self, released: Array) -> Array:
        return log_distribution(probabilities(released) - self.weight / released.shape[-1])
