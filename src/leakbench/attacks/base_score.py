from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.models import Shadows, Target
from ..signals.types import Array
from ._probability import log_mean_p, log_p, reference_models
from .base import Attack, ShadowNeed


@dataclass(frozen=True)
class Base(Attack):
    r"""Is x more probable under the target than on average under other models?

    Formula: online   s(x) = log p(x; target) - log mean_k p(x; k) over all shadow models
             offline  s(x) = log p(x; target) - a log mean_{k: x OUT} p(x; k),  a = `offline_scale`
    Shapes:  loss [M, V, N], members [M, N] -> [N];  p is averaged over views
    Source:  Lassila et al. 2025 (BASE); its equivalence with RMIA at gamma = 1: arXiv 2603.11799
    Differs: the softmax is not tempered.
    """

    name: ClassVar[str] = "base"
    source: ClassVar[str] = "Lassila et al. 2025"
    version: ClassVar[int] = 3
    variants: ClassVar[dict[str, dict[str, Any]]] = {"base_offline": {"online": False}}
    online: bool = True  # whether IN models are used; without: the offline form
    offline_scale: float = 0.33  # a, the weight of the log mean in the offline form

    def __post_init__(self) -> None:
        if not 0 <= self.offline_scale <= 1:
            raise InputError(f"offline_scale must lie in 0..1, got {self.offline_scale}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The loss, which is -log p."""
        return ("loss",)

    @property
    def shadows(self) -> ShadowNeed:
        """IN models too, if online."""
        return "in+out" if self.online else "out"

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The log ratio [N]."""
        assert shadows is not None
        scale = 1.0 if self.online else self.offline_scale
        return log_p(target) - scale * log_mean_p(shadows, reference_models(shadows, self.online))
