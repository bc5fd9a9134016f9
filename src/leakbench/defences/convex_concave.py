from dataclasses import dataclass
from typing import ClassVar, Literal

from ..train.losses import LOSSES
from ..train.recipe import Recipe
from ._stages import Which, with_loss
from .base import Defence


@dataclass(frozen=True)
class ConvexConcave(Defence):
    r"""Convex-concave loss (CCL): spread the losses of members wider than a convex loss leaves them.

    Formula: minimise beta (alpha convex - (1 - alpha) concave), p = p_y;  ccel: CE, exp(p);
             ccql: CE, p + p^2 / 2;  `focal_ccel`: (1 - p)^gamma CE, exp(p)
    Source:  Liu et al. 2024, arXiv 2402.05453; alpha .5, beta .05 of ccel in the fork Fujump/MLHospital (their ccql
             and `focal_ccel` have alpha 1 there, which is no concave term at all: set alpha)
    Differs: in `focal_ccel` their code adds (1 - alpha) exp(p), which pushes p down; ours subtracts it, as their
             other two forms do
    Limits:  beta scales the gradient: with a learning rate made for cross-entropy, .05 alone trains much less.
             Compare with fewer epochs at equal accuracy, and with beta = 1
    """

    name: ClassVar[str] = "convex_concave"
    source: ClassVar[str] = "Liu et al. 2024, arXiv 2402.05453"

    form: Literal["ccel", "ccql", "focal_ccel"] = "ccel"  # the convex and the concave part
    alpha: float = 0.5  # weight of the convex part
    beta: float = 0.05  # scale of the loss
    gamma: float = 1.0  # focal_ccel only
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        settings = {"form": self.form, "alpha": self.alpha, "beta": self.beta, "gamma": self.gamma}
        loss = LOSSES.make({"name": "convex_concave", **settings})
        is_convex = self.alpha == self.beta == 1 and (self.form != "focal_ccel" or not self.gamma)
        return base if is_convex else with_loss(base, self.stages, loss)
