from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.checks import positive
from ..core.errors import InputError
from ..signals.models import Shadows, Target
from ..signals.statistics import LABEL_CORRECT, LABEL_COUNTS
from ..signals.types import Array, Bools
from ._pseudo_targets import PseudoTargetAttack
from .base import Access


@dataclass(frozen=True)
class LabelOnlyBoosted(PseudoTargetAttack):
    r"""Is x classified correctly as often, at each distance, as by models that saw x, or as by the others?

    Formula: a_d = mean_{v at distance d} 1[argmax_c f_c(x_v) = y] for each distance d, and a over all views;
             h = (a, mean a of IN models, mean a of OUT models, a - mean IN, a - mean OUT) for each of them;
             s(x) = log-odds of boosted trees on h; member where s >= 0. For each target the trees are fitted on the
             shadow models: each plays the target against the others, the target and its partner left out
    Shapes:  `label_counts` [M, D, N], members [M, N] -> [N]
    Source:  Choquette-Choo et al. 2021, arXiv 2007.14321 (labels of augmented records); Carlini et al. 2022, arXiv
             2112.03570 (IN and OUT models of each record)
    Differs: no published attack joins the two. A distance is a radius of noise, a rate of flipped bits, or the largest
             shift of an image; views without names are one.
    """

    name: ClassVar[str] = "label_only_boosted"
    source: ClassVar[str] = (
        "Choquette-Choo et al. 2021, arXiv 2007.14321; Carlini et al. 2022, arXiv 2112.03570"
    )
    access: ClassVar[Access] = "labels"
    passes: ClassVar[str | None] = "iterations"
    max_examples: int = 200_000
    iterations: int = 120  # boosting iterations
    learning_rate: float = 0.06  # shrinkage of each tree
    leaves: int = 15  # largest number of leaves of a tree
    leaf: int = 100  # examples that a leaf must hold

    def __post_init__(self) -> None:
        positive(self.parameters())
        if self.leaves < 2:
            raise InputError(f"leaves must be at least 2 a tree, got {self.leaves}")

    @property
    def needs(self) -> tuple[str, ...]:
        """Predicted classes in several views."""
        return (LABEL_CORRECT, LABEL_COUNTS)

    def features(self, target: Target, shadows: Shadows, inside: Bools, outside: Bools) -> Array:
        """h [N, 5 D + 5], or [N, 5] with one distance."""
        views = np.bincount(target.signals.distances)
        means = (_mean_counts(shadows, side) for side in (inside, outside))
        a, of_in, of_out = (_shares(counts, views) for counts in (target.statistic(LABEL_COUNTS), *means))
        return np.vstack([a, of_in, of_out, a - of_in, a - of_out]).T

    def classifier(self, seed: int) -> Any:
        """Gradient-boosted trees on histograms."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.leaf,
            early_stopping=False,
            random_state=seed,
        )


def _mean_counts(shadows: Shadows, side: Bools) -> Array:
    """Mean counts [D, N] over the shadow models of one side [S, N], NaN where there are none.

    Sums of whole numbers are exact: no rounding tells which models were left out.
    """
    total = np.zeros(1)
    for counts, there in zip(shadows.statistic(LABEL_COUNTS), side, strict=True):
        total = total + counts * there
    n = side.sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _shares(counts: Array, views: NDArray[np.intp]) -> Array:
    """Shares of the views at each distance [D], and of all of them, from counts [D, N]."""
    shares = counts / views[:, None]
    return shares if len(views) == 1 else np.vstack([shares, counts.sum(axis=0) / views.sum()])
