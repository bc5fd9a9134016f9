from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..signals.models import Shadows, Target
from ..signals.statistics import LABEL_CORRECT
from ..signals.types import Array
from .base import Access, Attack


@dataclass(frozen=True)
class LabelOnlyCount(Attack):
    r"""In how many views is x classified correctly? A member lies farther from the decision boundary.

    Formula: s(x) = mean_v 1[argmax_c f_c(x_v) = y],  x_v the views of x: mirrored, shifted, with noise, with flips
    Shapes:  `label_correct` [V + K, N] -> [N];  K perturbed views, of which the class alone is known
    Source:  Choquette-Choo et al. 2021, section 4, arXiv 2007.14321; Li & Zhang 2021, arXiv 2007.15528
    Differs: random perturbations stand for the distance to the boundary, which takes thousands of adaptive queries.
             With as many draws at each radius it is the area under the share as a function of the radius.
    """

    name: ClassVar[str] = "label_only_count"
    source: ClassVar[str] = "Choquette-Choo et al. 2021, arXiv 2007.14321"
    access: ClassVar[Access] = "labels"

    @property
    def needs(self) -> tuple[str, ...]:
        """Predicted classes in several views."""
        return (LABEL_CORRECT,)

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The share of views [N]."""
        return np.asarray(target.statistic(LABEL_CORRECT).mean(axis=0))
