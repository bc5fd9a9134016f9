from dataclasses import dataclass
from typing import ClassVar

from .base import Estimate
from .held_out import HeldOutThreshold
from .statistics.sample import Sample


@dataclass(frozen=True)
class Advantage(HeldOutThreshold):
    r"""How far is the best threshold's TPR above its FPR, on scores that did not choose it?

    Formula: Adv = TPR(t) - FPR(t) on one half, t = argmax (TPR - FPR) on the other;  0 without leakage
    Shapes:  scores, members, select [n] -> number in [-1, 1]
    Source:  Yeom et al. 2018, definition 4, arXiv 1709.01604
    Differs: the usual max_t (TPR - FPR) of the same scores is above 0 on noise; this one is not.
    """

    name: ClassVar[str] = "advantage"
    source: ClassVar[str] = "Yeom et al. 2018, arXiv 1709.01604"

    @property
    def chance(self) -> float:
        return 0.0

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        rates, rest, threshold = self.rates(sample, level)
        detail = {"tpr": rates.tpr, "fpr": rates.fpr, "threshold": threshold}
        return Estimate(rates.difference, rates.lo, rates.hi, rest.n_members, rest.n_nonmembers, detail)
