from dataclasses import dataclass
from typing import ClassVar

from ..core.errors import InputError
from ..signals.types import Array
from .base import Defence


@dataclass(frozen=True)
class Temperature(Defence):
    r"""Release softmax(z / T): flatter outputs with the same predictions.

    Formula: output(z) = z / T,  inverse(released) = T * released
    Source:  Shokri et al. 2017, section VIII, arXiv 1610.05820
    Limits:  an adaptive attacker undoes it: the transform is one-to-one, so that every adaptive attack has the same
             result as on the undefended model
    """

    name: ClassVar[str] = "temperature"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820"
    changes_output: ClassVar[bool] = True
    monotone: ClassVar[bool] = True

    temperature: float = 5.0  # T, which divides the logits

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"temperature must be positive, got {self.temperature}")

    def output(self, logits: Array) -> Array:
        return logits / self.temperature

    def inverse(self, released: Array) -> Array:
        return released * self.temperature
