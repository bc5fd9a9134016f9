"""Shared by attacks on one statistic of a model's outputs."""

from typing import ClassVar

import numpy as np

from ..signals.models import Shadows, Target
from ..signals.statistics import GRADIENT_NORMS, LABEL_FREE
from ..signals.types import Array
from .base import Attack

LOWER_FOR_MEMBERS = frozenset({"loss", "entropy", "modified_entropy", *GRADIENT_NORMS})


def sign(statistic: str) -> float:
    """-1 for a statistic that is lower for members, else 1."""
    return -1.0 if statistic in LOWER_FOR_MEMBERS else 1.0


def signal(target: Target, statistic: str) -> Array:
    """A statistic of the target with its sign turned so that members have the higher values [V, N]."""
    return sign(statistic) * target.statistic(statistic)


def mid_quantile(values: Array, others: Array) -> Array:
    """For each of `values` the share of `others` that are lower, equal ones counting half."""
    ordered = np.sort(others)
    below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((below + upto) / (2 * ordered.size))


class StatisticAttack(Attack):
    """The statistic itself is the score, averaged over views."""

    statistic: ClassVar[str]

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic."""
        return (self.statistic,)

    @property
    def uses_labels(self) -> bool:
        """Whether the statistic is one of the true label."""
        return self.statistic not in LABEL_FREE

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The mean over views [N]."""
        return np.asarray(signal(target, self.statistic).mean(axis=0))
