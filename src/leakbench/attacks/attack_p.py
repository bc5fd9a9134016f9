from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..signals.models import Shadows, Target
from ..signals.types import Array
from ._statistic import mid_quantile, signal
from .base import Attack


@dataclass(frozen=True)
class AttackP(Attack):
    r"""How many non-members does x beat in the same model?

    Formula: s(x) = Pr_z[t(z) < t(x)] + Pr_z[t(z) = t(x)] / 2,  z in the population, t = -l  (mean over views)
    Shapes:  loss [V, N], population loss [V, Z] -> [N]
    Source:  Ye et al. 2022, attack P, arXiv 2111.09679
    Differs: the quantile itself is the score, so every false-positive rate is served at once; ties count
             half.
    """

    name: ClassVar[str] = "attack_p"
    source: ClassVar[str] = "Ye et al. 2022, arXiv 2111.09679"
    version: ClassVar[int] = 3
    population: ClassVar[bool] = True
    statistic: Literal["loss", "logodds", "hinge"] = "loss"  # the statistic that is compared

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic that is compared."""
        return (self.statistic,)

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The quantile in the population [N]."""
        assert target.population is not None
        z = signal(target.population, self.statistic).mean(axis=0)
        t = signal(target, self.statistic).mean(axis=0)
        return mid_quantile(t, z)
