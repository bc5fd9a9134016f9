from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..signals.models import Shadows, Target
from ..signals.types import Array
from ._shadow import inside_and_outside, mean_inside
from ._statistic import sign, signal
from .base import InOutAttack


@dataclass(frozen=True)
class Mast(InOutAttack):
    r"""Is the loss on x nearer to that of models that saw x than to that of models that did not?

    Formula: s(x) = (mu_in + mu_out) / 2 - l  (mean over views), member where s >= 0
    Shapes:  loss [M, V, N], members [M, N] -> [N];  mu [V, N]
    Source:  Sablayrolles et al. 2019, section 4, arXiv 1908.11229
    Differs: a record without an IN model takes mu_in = mu_out + the mean shift of the other records. On a
             statistic that is higher for members, s = t - (mu_in + mu_out) / 2.
    """

    name: ClassVar[str] = "mast"
    source: ClassVar[str] = "Sablayrolles et al. 2019, arXiv 1908.11229"
    version: ClassVar[int] = 3
    statistic: Literal["loss", "logodds", "hinge"] = "loss"  # the statistic that is compared

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic that is compared."""
        return (self.statistic,)

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The distance from the midpoint, on the members' side [N]."""
        assert shadows is not None
        inside, outside = inside_and_outside(shadows, self.statistic)
        midpoint = sign(self.statistic) * (mean_inside(inside, outside) + outside.mean) / 2
        return np.asarray((signal(target, self.statistic) - midpoint).mean(axis=0))
