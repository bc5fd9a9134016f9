from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..signals.models import Shadows, Target
from ..signals.types import Array
from ._statistic import sign, signal
from .base import Attack, ShadowNeed


@dataclass(frozen=True)
class AttackR(Attack):
    r"""How many models that did not see x does the target beat on x?

    Formula: s(x) = Pr_k[t_k(x) < t(x)] + Pr_k[t_k(x) = t(x)] / 2,  k over the OUT models, t = -l  (mean over
             views)
    Shapes:  loss [M, V, N], members [M, N] -> [N]
    Source:  Ye et al. 2022, attack R, arXiv 2111.09679
    Differs: the quantile itself is the score; ties count half. It has N_out + 1 levels, so it cannot resolve
             a false-positive rate below 1 / N_out.
    """

    name: ClassVar[str] = "attack_r"
    source: ClassVar[str] = "Ye et al. 2022, arXiv 2111.09679"
    version: ClassVar[int] = 3
    statistic: Literal["loss", "logodds", "hinge"] = "loss"  # the statistic that is compared

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic that is compared."""
        return (self.statistic,)

    @property
    def shadows(self) -> ShadowNeed:
        """OUT models."""
        return "out"

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The quantile among the OUT models [N]."""
        assert shadows is not None
        t = signal(target, self.statistic).mean(axis=0)
        beaten, outside = np.zeros(t.size), ~shadows.members
        for value, there in zip(shadows.statistic(self.statistic), outside, strict=True):
            t_k = sign(self.statistic) * value.mean(axis=0)
            beaten += there * ((t_k < t) + (t_k == t) / 2)
        return np.asarray(beaten / np.maximum(outside.sum(axis=0), 1))
