from dataclasses import dataclass
from typing import ClassVar

from ..train.losses import LOSSES
from ..train.recipe import Recipe
from ._stages import Which, with_loss
from .base import Defence


@dataclass(frozen=True)
class HampTraining(Defence):
    r"""The training half of HAMP: high-entropy soft labels, and a reward for outputs of high entropy.

    Formula: minimise KL(q || f) - alpha C H(f),  q = top on the label and the rest spread evenly, H(q) = gamma log C
    Source:  Chen, Pattabiraman 2024, arXiv 2307.01610: gamma .95, alpha .001 for CIFAR-10; .5 and .005 for CIFAR-100,
             .8 and .01 for Purchase, .6 and .01 for Texas, .5 and .001 for Location
    Differs: alpha is that of the authors' code, which trains on KL / C - alpha H; ours is that times C
    Limits:  Aerni et al. 2024, arXiv 2404.17399: without the output half LiRA finds most mislabelled records (TPR 58.7
             % at FPR .1 %), and label-only attacks see through both
    """

    name: ClassVar[str] = "hamp_training"
    source: ClassVar[str] = "Chen, Pattabiraman 2024, arXiv 2307.01610"

    gamma: float = 0.95  # entropy of the labels, as a share of log C
    alpha: float = 0.001  # weight of the entropy reward
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        loss = LOSSES.make({"name": "hamp", "gamma": self.gamma, "alpha": self.alpha})
        return with_loss(base, self.stages, loss) if self.gamma or self.alpha else base
