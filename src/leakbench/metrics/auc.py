from dataclasses import dataclass
from typing import ClassVar

from .base import Estimate, Metric
from .statistics.intervals import auc_interval
from .statistics.sample import Sample


@dataclass(frozen=True)
class Auc(Metric):
    r"""How often does a member score higher than a non-member?

    Formula: AUC = P(s_member > s_nonmember) + P(s_member = s_nonmember) / 2
    Shapes:  scores, members [n] -> number in [0, 1]; 1/2 without leakage
    Source:  Hanley and McNeil 1982; interval from the placements of DeLong et al. 1988
    """

    name: ClassVar[str] = "auc"
    source: ClassVar[str] = "DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44"

    @property
    def chance(self) -> float:
        return 0.5

    def value(self, sample: Sample) -> float:
        return sample.roc.auc

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        lo, hi = auc_interval(sample, level)
        return Estimate(sample.roc.auc, lo, hi, sample.n_members, sample.n_nonmembers, {})
