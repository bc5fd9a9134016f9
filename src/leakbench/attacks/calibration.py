from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..signals.models import Shadows, Target
from ..signals.types import Array
from ._statistic import sign, signal
from .base import Attack, ShadowNeed


@dataclass(frozen=True)
class Calibration(Attack):
    r"""Is x easier for the target than it is for models that did not see x?

    Formula: s(x) = phi - mean_{k: x OUT} phi_k,  phi = log p - log(1 - p)  (mean over views)
    Shapes:  logodds [M, V, N], members [M, N] -> [N]
    Source:  Watson et al. 2022, arXiv 2111.08440
    Differs: on the log-odds; the paper calibrates the loss (`statistic = "loss"`), which loses most of the
             power at low false-positive rates (Carlini et al. 2022, table I).
    """

    name: ClassVar[str] = "calibration"
    source: ClassVar[str] = "Watson et al. 2022, arXiv 2111.08440"
    version: ClassVar[int] = 3
    statistic: Literal["logodds", "hinge", "loss"] = "logodds"  # the statistic that is compared

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic that is calibrated."""
        return (self.statistic,)

    @property
    def shadows(self) -> ShadowNeed:
        """OUT models."""
        return "out"

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The difference from the OUT models' mean [N]."""
        assert shadows is not None
        mean_out = sign(self.statistic) * shadows.moments(self.statistic, inside=False).mean
        return np.asarray((signal(target, self.statistic) - mean_out).mean(axis=0))
