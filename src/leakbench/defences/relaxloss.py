from dataclasses import dataclass
from typing import ClassVar, Literal

from ..train.losses import LOSSES
from ..train.recipe import Recipe
from ._stages import Which, with_loss
from .base import Defence


@dataclass(frozen=True)
class RelaxLoss(Defence):
    r"""Hold the training loss at a level that non-members reach too, and flatten the outputs at that level.

    Formula: with L the mean cross-entropy of the batch, in epochs 0, 2, 4, ...: |L - alpha|; in the others L where
             L > alpha, else ("wrong") mean(1[f wrong] CE(t, f) - CE(y, f)), or ("all") mean CE(t, f), with
             t = min(f_y, upper) on the label y and the rest spread evenly
    Source:  Chen, Yu, Fritz 2022, arXiv 2207.05801: alpha 1, upper 1 for a ResNet-20 on CIFAR-10; alpha .8, upper
             .3, flattened = "all" for Purchase, 2.5 and .1 for Texas
    Differs: no gradient flows through t
    Limits:  Aerni et al. 2024, arXiv 2404.17399: LiRA finds its mislabelled records; tuned to the accuracy of no
             defence it protects little. Set alpha from the loss of non-members
    """

    name: ClassVar[str] = "relaxloss"
    source: ClassVar[str] = "Chen, Yu, Fritz 2022, arXiv 2207.05801"

    alpha: float = 1.0  # the level of the loss, nats
    upper: float = 1.0  # largest probability of the flattened label
    flattened: Literal["wrong", "all"] = "wrong"  # records whose label is flattened
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        settings = {"alpha": self.alpha, "upper": self.upper, "flattened": self.flattened}
        loss = LOSSES.make({"name": "relaxloss", **settings})
        return with_loss(base, self.stages, loss) if self.alpha else base
