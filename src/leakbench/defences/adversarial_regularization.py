from dataclasses import dataclass
from typing import ClassVar, Literal

from ..train.recipe import Recipe
from ..train.recipe.settings import Adversary
from ._stages import Which, edit_stages
from .base import Defence


@dataclass(frozen=True)
class AdversarialRegularization(Defence):
    r"""Train against an adversary that separates members from reference records by their outputs.

    Formula: min_f max_h  CE(f) + weight (E_members log h(f(x), y) + E_reference log(1 - h(f(x), y))) / 2
    Source:  Nasr, Shokri, Houmansadr 2018, arXiv 1807.05852: weight 3 for Purchase, 6 for CIFAR, 10 for Texas
    Differs: before every step of the model the adversary takes `steps` on batches of the same size (the
             authors train it longer at first)
    Limits:  Song and Mittal 2021: metric attacks that know of it still work; it guards against its own
             adversary. Candidate records must not serve as reference records, or they would leak
    """

    name: ClassVar[str] = "adversarial_regularization"
    source: ClassVar[str] = "Nasr et al. 2018, arXiv 1807.05852"

    weight: float = 3.0  # weight of the adversary in the loss
    steps: int = 1  # updates of the adversary per update of the model
    lr: float = 1e-3  # the adversary's learning rate
    reference: Literal["public", "dev"] = "dev"  # non-members that the adversary sees
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        rule = Adversary(self.weight, self.steps, self.lr, self.reference)
        return edit_stages(base, self.stages, adversary=lambda old: rule if self.weight else old)
