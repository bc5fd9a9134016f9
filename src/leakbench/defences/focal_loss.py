from dataclasses import dataclass
from typing import ClassVar

from ..train.losses import LOSSES
from ..train.recipe import Recipe
from ._stages import Which, with_loss
from .base import Defence


@dataclass(frozen=True)
class FocalLoss(Defence):
    r"""Train less on records that the model already gets right.

    Formula: minimise (1 - p_y)^gamma CE
    Source:  Lin et al. 2017, equation 4, arXiv 1708.02002, with gamma 2; compared as a defence by
             Liu et al. 2024, arXiv 2402.05453
    Limits:  what is hard, and so most at risk, keeps its full weight; shadow-model attacks (LiRA) see it
    """

    name: ClassVar[str] = "focal_loss"
    source: ClassVar[str] = "Lin et al. 2017, arXiv 1708.02002"

    gamma: float = 2.0  # exponent: how little confident records count
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        loss = LOSSES.make({"name": "focal", "gamma": self.gamma})
        return with_loss(base, self.stages, loss) if self.gamma else base
