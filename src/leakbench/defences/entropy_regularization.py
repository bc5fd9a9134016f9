from dataclasses import dataclass
from typing import ClassVar, Literal

from ..train.losses import LOSSES
from ..train.recipe import Recipe
from ._stages import Which, with_loss
from .base import Defence


@dataclass(frozen=True)
class EntropyRegularization(Defence):
    r"""Reward outputs of high entropy in training.

    Formula: minimise CE - weight H (penalty) or CE + weight / (1 + H) (inverse), H = -sum_c p_c log p_c,
             p = softmax(z), in nats, for each record
    Source:  penalty: Pereyra et al. 2017, arXiv 1701.06548 (the confidence penalty), weight .1; inverse: defence
             M-17 of github.com/dianujer/entropy_driven_MIA_defenses, weight 2
    Differs: in M-17 the network ended in a softmax, and H was taken of a second softmax of its probabilities, where
             it is nearly constant (for 10 classes at least 2.23 of log 10 = 2.30), so that the term had no effect
    Limits:  the outputs of members move as a whole; their difference from non-members stays for shadow-model attacks
             (LiRA)
    """

    name: ClassVar[str] = "entropy_regularization"
    source: ClassVar[str] = "Pereyra et al. 2017, arXiv 1701.06548"

    form: Literal["penalty", "inverse"] = "penalty"  # how the entropy enters the loss
    weight: float | None = None  # None: .1 (penalty), 2 (inverse)
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        loss = LOSSES.make({"name": "entropy_regularization", "form": self.form, "weight": self.weight})
        return base if self.weight == 0 else with_loss(base, self.stages, loss)
