from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.statistics import LOG_FLOOR, log_softmax
from ..signals.types import Array
from .base import Defence


@dataclass(frozen=True)
class Rounding(Defence):
    r"""Release probabilities rounded to a few decimals.

    Formula: output(z) = log round(softmax(z), decimals), the predicted class kept at least `10^-decimals` above
             the others where rounding would tie it
    Source:  Shokri et al. 2017, section VIII, arXiv 1610.05820
    Limits:  label-only attacks do not change; shadow models with the same rounding still differ between IN and OUT,
             and attackers take a probability of 0 as half a step
    """

    name: ClassVar[str] = "rounding"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820"
    changes_output: ClassVar[bool] = True

    decimals: int = 2  # decimals that are kept

    def __post_init__(self) -> None:
        if not 1 <= self.decimals <= 12:
            raise InputError(f"decimals must lie in 1..12, got {self.decimals}")

    def output(self, logits: Array) -> Array:
        rounded = np.round(np.exp(log_softmax(logits)), self.decimals)
        top = logits.argmax(axis=-1)[..., None]
        others = np.where(np.arange(logits.shape[-1]) == top, -np.inf, rounded).max(axis=-1, keepdims=True)
        lead = np.maximum(np.take_along_axis(rounded, top, axis=-1), others + 10.0**-self.decimals)
        np.put_along_axis(rounded, top, lead, axis=-1)
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(rounded), LOG_FLOOR)
