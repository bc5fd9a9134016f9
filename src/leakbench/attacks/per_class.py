from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..metrics.statistics.roc import best_threshold
from ..signals.models import Target
from ..signals.types import Array, Bools
from ._statistic import signal
from .base import Scorer, TrainedAttack


@dataclass(frozen=True)
class PerClass(TrainedAttack):
    r"""Does the statistic pass the threshold of x's own class?

    Formula: s(x) = t(x) - tau_y,  tau_c = the t of the best balanced accuracy among the examples of class c,
             t = p, -H(f) or -Mentr  (mean over views); member where s >= 0
    Shapes:  statistic [V, N], labels [N] -> [N]
    Source:  Song & Mittal 2021, section 3, arXiv 2003.10595
    Differs: tau_c comes from one sort a class instead of a double loop. A class that the examples lack, or
             have on one side only, takes the threshold of all classes together.
    """

    name: ClassVar[str] = "confidence_per_class"
    source: ClassVar[str] = "Song & Mittal 2021, arXiv 2003.10595"
    version: ClassVar[int] = 3
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "entropy_per_class": {"statistic": "entropy"},
        "modified_entropy_per_class": {"statistic": "modified_entropy"},
    }
    statistic: Literal["confidence", "entropy", "modified_entropy"] = (
        "confidence"  # the statistic t that is compared with the threshold
    )

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic and the classes."""
        return (self.statistic, "labels")

    @property
    def decision(self) -> float | None:
        """The class's own threshold."""
        return 0.0

    def features(self, target: Target) -> Array:
        """The statistic and the class [N, 2]."""
        assert target.labels is not None
        return np.column_stack([signal(target, self.statistic).mean(axis=0), target.labels])

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """The thresholds, by class."""
        t, y = features.T
        tau_all = best_threshold(t, members)
        order = np.argsort(
            y.astype(np.min_scalar_type(int(y.max()))), kind="stable"
        )  # by digits: short words
        classes, starts = np.unique(y[order], return_index=True)
        groups = np.split(order, starts[1:])
        two_sided = [members[g].any() and not members[g].all() for g in groups]
        tau = np.array(
            [best_threshold(t[g], members[g]) if two_sided[c] else tau_all for c, g in enumerate(groups)]
        )

        def scorer(features: Array) -> Array:
            t, y = features.T
            place = np.minimum(np.searchsorted(classes, y), classes.size - 1)
            return np.asarray(t - np.where(classes[place] == y, tau[place], tau_all))

        return scorer
