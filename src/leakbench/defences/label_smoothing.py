from dataclasses import dataclass, replace
from typing import ClassVar

from ..core.errors import InputError
from ..train.losses import CrossEntropy, Loss
from ..train.recipe import Recipe
from ._stages import edit_stages
from .base import Defence


@dataclass(frozen=True)
class LabelSmoothing(Defence):
    r"""Train towards a label that gives a little probability to every class.

    Formula: cross-entropy to (1 - smoothing) onehot(y) + smoothing / C
    Source:  Szegedy et al. 2016, section 7, arXiv 1512.00567; smoothing .1 as in the RelaxLoss study
    Limits:  Kaya and Dumitras 2021: it raises the risk, since smoothed members get a tight, distinctive output;
             shadow-model attacks (LiRA) see it
    """

    name: ClassVar[str] = "label_smoothing"
    source: ClassVar[str] = "Szegedy et al. 2016, arXiv 1512.00567"

    smoothing: float = 0.1  # share of the label that is spread over all classes

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise InputError(f"smoothing must lie in [0, 1), got {self.smoothing}")

    def recipe(self, base: Recipe) -> Recipe:
        return edit_stages(base, loss=self._smoothed)

    def _smoothed(self, loss: Loss) -> Loss:
        if not isinstance(loss, CrossEntropy):
            raise InputError(
                f"label_smoothing needs cross-entropy, got the loss {loss.name!r}; take one of them"
            )
        return replace(loss, smoothing=self.smoothing)
