from dataclasses import dataclass
from typing import ClassVar

from ..train.losses import LOSSES
from ..train.recipe import Recipe
from ._stages import Which, with_loss
from .base import Defence


@dataclass(frozen=True)
class Ppb(Defence):
    r"""Pair-based posterior balancing: make the sorted outputs of any two records alike.

    Formula: CE + weight KL(softmax(sort z_b) || softmax(sort z_a)) over the halves a, b of each batch
    Source:  Yuan, Zhang 2022, section 6, arXiv 2202.03335: after pruning, weight 4 (chain = pruning, ppb with
             stages = "last")
    Limits:  equalises the shape of the outputs, not whether they are right: the gap attack does not change
    """

    name: ClassVar[str] = "ppb"
    source: ClassVar[str] = "Yuan, Zhang 2022, arXiv 2202.03335"

    weight: float = 4.0  # weight of the posterior balancing in the loss
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        loss = LOSSES.make({"name": "ppb", "weight": self.weight})
        return with_loss(base, self.stages, loss) if self.weight else base
