from dataclasses import dataclass, replace
from typing import ClassVar

from ..core.errors import InputError
from ..train.recipe import Recipe
from ._stages import edit_stages
from .base import Defence


@dataclass(frozen=True)
class WeightDecay(Defence):
    r"""Pull the weights towards zero, so that single records cannot be fitted as closely.

    Formula: gradient + `weight_decay` * w  (L2 regularisation, coupled with the gradient as in torch)
    Source:  Krogh and Hertz 1991; as a defence Shokri et al. 2017, section VIII, arXiv 1610.05820
    Limits:  protects only by fitting less; compare it with early stopping at equal accuracy
    """

    name: ClassVar[str] = "weight_decay"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820"

    weight_decay: float = 5e-3  # squared penalty of the weights

    def __post_init__(self) -> None:
        if self.weight_decay < 0:
            raise InputError(f"weight_decay must not be negative, got {self.weight_decay}")

    def recipe(self, base: Recipe) -> Recipe:
        return edit_stages(base, optimiser=lambda o: replace(o, weight_decay=self.weight_decay))
