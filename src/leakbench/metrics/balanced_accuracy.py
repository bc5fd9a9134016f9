from dataclasses import dataclass
from typing import ClassVar

from .base import Estimate, Metric
from .statistics.intervals import difference_interval
from .statistics.sample import Sample


@dataclass(frozen=True)
class BalancedAccuracy(Metric):
    r"""How often is the attack right, at the threshold it fixed before it saw the target, on a fair coin's records?

    Formula: (TPR + 1 - FPR) / 2 of the decision `decided`;  1/2 without leakage.
        For the gap attack it is 1/2 + (training accuracy - test accuracy) / 2, exactly.
    Shapes:  decided, members [n] -> number in [0, 1]
    Source:  Yeom et al. 2018, section III, arXiv 1709.01604
    """

    name: ClassVar[str] = "balanced_accuracy"
    source: ClassVar[str] = "Yeom et al. 2018, arXiv 1709.01604"

    @property
    def chance(self) -> float:
        return 0.5

    def applies(self, sample: Sample) -> str | None:
        if sample.decided is None:
            return "the attack fixed no threshold beforehand"
        return super().applies(sample)

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        assert sample.decided is not None, "applies() says whether there is a decision"
        rates = difference_interval(sample, sample.decided, level)
        value, lo, hi = ((1 + x) / 2 for x in (rates.difference, rates.lo, rates.hi))
        detail = {"tpr": rates.tpr, "fpr": rates.fpr}
        return Estimate(value, lo, hi, sample.n_members, sample.n_nonmembers, detail)
