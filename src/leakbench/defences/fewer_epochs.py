from dataclasses import dataclass
from typing import ClassVar

from ..core.errors import InputError
from ..train.recipe import Recipe
from ._stages import edit_stages
from .base import Defence


@dataclass(frozen=True)
class FewerEpochs(Defence):
    r"""Train for fewer epochs: several of these make the frontier that a defence must beat at equal accuracy.

    Formula: the recipe with `epochs` in each stage that trains for longer
    Source:  Song and Mittal 2021, section 5, arXiv 2003.10595: compare with early stopping at equal accuracy
    Limits:  fits less, leaks less, knows less; nothing more
    """

    name: ClassVar[str] = "fewer_epochs"
    source: ClassVar[str] = "Song and Mittal 2021, arXiv 2003.10595"

    epochs: int = 5  # epochs to train

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"epochs must be at least 1, got {self.epochs}")

    def recipe(self, base: Recipe) -> Recipe:
        return edit_stages(base, epochs=lambda epochs: min(epochs, self.epochs))
