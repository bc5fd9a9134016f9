from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..signals.models import Shadows, Target
from ..signals.types import Array
from ._statistic import signal
from .base import Access, Attack


@dataclass(frozen=True)
class GradientNorm(Attack):
    r"""Is the gradient of the loss on x, in the model's parameters, small? Training drove it towards 0 on members.

    Formula: s(x) = -log |dl/dtheta|,  l = -log p;  theta = all parameters, or those of the last layer z = W h + b:
             |dl/d(W, b)| = |p - e_y| |(h, 1)|
    Shapes:  `log_gradient_norm` [N] or `log_last_gradient_norm` [N] -> [N]
    Source:  Nasr et al. 2019, arXiv 1812.00910 (gradients); Carlini et al. 2022, arXiv 2112.03570 (their norm)
    Differs: the norm alone is the score, where Nasr et al. learn from the whole gradient. The attacker has the
             parameters, so no output transform protects against it, and its results stand apart from those of attacks
             that query the model. An ensemble has no last layer, and its gradient is in the parameters of all its
             networks.
    """

    name: ClassVar[str] = "gradient_norm"
    source: ClassVar[str] = "Nasr et al. 2019, arXiv 1812.00910"
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "gradient_norm_last": {"statistic": "log_last_gradient_norm"}
    }
    access: ClassVar[Access] = "white_box"
    statistic: Literal["log_gradient_norm", "log_last_gradient_norm"] = (
        "log_gradient_norm"  # the statistic of the gradient
    )

    @property
    def needs(self) -> tuple[str, ...]:
        """The norm."""
        return (self.statistic,)

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Minus the logarithm of the norm [N]."""
        return np.asarray(signal(target, self.statistic).mean(axis=0))
