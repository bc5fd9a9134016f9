from dataclasses import dataclass
from typing import ClassVar

from ..core.errors import InputError
from ..train.recipe import Recipe
from ._stages import edit_stages
from .base import Defence


@dataclass(frozen=True)
class EarlyStopping(Defence):
    r"""Stop when the loss on a dev part no longer falls, and keep the best weights.

    Formula: weights of the epoch with the lowest dev loss; training ends `patience` epochs after it
    Source:  Song and Mittal 2021, section 5, arXiv 2003.10595: the baseline that a defence must beat at equal
             accuracy
    Limits:  leaks whatever was fitted by then; LiRA still finds the records that are learned early and hard
    """

    name: ClassVar[str] = "early_stopping"
    source: ClassVar[str] = "Song and Mittal 2021, arXiv 2003.10595"

    patience: int = 3  # epochs without improvement before training ends

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, got {self.patience}")

    def recipe(self, base: Recipe) -> Recipe:
        return edit_stages(base, patience=self.patience)
