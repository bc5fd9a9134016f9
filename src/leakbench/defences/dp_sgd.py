from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..train.recipe import Recipe
from ..train.recipe.settings import Privacy
from ._stages import Which, edit_stages
from .base import Defence


@dataclass(frozen=True)
class DpSgd(Defence):
    r"""Clip every record's gradient and add noise: the one defence here with a proof.

    Formula: g = (sum_i g_i min(1, clip / |g_i|) + N(0, (noise clip)^2 I)) / B, batches by Poisson sampling;
             (epsilon, delta) from Opacus' PRV accountant stands in the results
    Source:  Abadi et al. 2016, arXiv 1607.00133; Opacus, arXiv 2109.12298
    Limits:  epsilon covers a model whose every stage on members is private: after pruning alone (stages =
             "last") it is infinite. Low epsilon costs accuracy; with much noise no attack is left, at little
             noise none is proven away
    """

    name: ClassVar[str] = "dp_sgd"
    source: ClassVar[str] = "Abadi et al. 2016, arXiv 1607.00133"
    canary = "out_of_distribution"  # Aerni et al. 2024, figure 1

    noise: float = 1.0  # the noise's standard deviation, in units of `clip`
    clip: float = 1.0  # largest norm of a record's gradient
    delta: float = 1e-5  # the delta of the guarantee
    lr: float | None = None  # None: the recipe's, and so for the two below
    batch_size: int | None = None  # expected records per batch; None: the recipe's
    epochs: int | None = None  # passes over the members; None: the recipe's
    stages: Which = "all"  # the stages that it changes: all that train, or the last

    def recipe(self, base: Recipe) -> Recipe:
        changes: dict[str, Any] = {"privacy": Privacy(self.noise, self.clip, self.delta)}
        if self.lr is not None:
            changes["optimiser"] = lambda old: replace(old, lr=self.lr)
        given = {"batch_size": self.batch_size, "epochs": self.epochs}
        changes |= {name: value for name, value in given.items() if value is not None}
        return edit_stages(base, self.stages, **changes)
