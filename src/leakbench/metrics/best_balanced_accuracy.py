from dataclasses import dataclass
from typing import ClassVar

from .base import Estimate
from .held_out import HeldOutThreshold
from .statistics.sample import Sample


@dataclass(frozen=True)
class BestBalancedAccuracy(HeldOutThreshold):
    r"""How often is the best threshold right on a fair coin's member or non-member, on scores that did not choose it?

    Formula: (1 + TPR(t) - FPR(t)) / 2 on one half, t = argmax (TPR - FPR) on the other;  1/2 without leakage
    Shapes:  scores, members, select [n] -> number in [0, 1]
    Source:  Song and Mittal 2021, section 3, arXiv 2003.10595
    Differs: the attacker still learns the threshold from the target's own membership, unlike `balanced_accuracy`,
        but not from the scores that are counted.
    """

    name: ClassVar[str] = "balanced_accuracy_best"
    source: ClassVar[str] = "Song and Mittal 2021, arXiv 2003.10595"

    @property
    def chance(self) -> float:
        return 0.5

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        rates, rest, threshold = self.rates(sample, level)
        value, lo, hi = ((1 + x) / 2 for x in (rates.difference, rates.lo, rates.hi))
        detail = {"tpr": rates.tpr, "fpr": rates.fpr, "threshold": threshold}
        return Estimate(value, lo, hi, rest.n_members, rest.n_nonmembers, detail)
