import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.errors import InputError
from .base import Estimate, Metric
from .statistics.clusters import effective_size
from .statistics.intervals import clopper_pearson
from .statistics.sample import Sample
from .statistics.tpr_interval import tpr_interval


@dataclass(frozen=True)
class TprAtFpr(Metric):
    r"""Which share of the members does the attack find while it accuses at most a share `fpr` of the others?

    Formula: max_t TPR(t) subject to FPR(t) <= fpr, over the observed scores t, "member if s >= t"; nothing is
        interpolated, and ties are one step. Without leakage it is fpr.
        fpr = 0: the TPR just above the highest non-member; `fpr_hi` in the detail bounds the FPR of that threshold.
    Shapes:  scores, members [n] -> number in [0, 1]
    Source:  Carlini et al. 2022, section IV, arXiv 2112.03570 (who require FPR < fpr)
    Differs: the interval also covers the error of the threshold, see `tpr_interval`.
    """

    name: ClassVar[str] = "tpr"
    source: ClassVar[str] = "Carlini et al. 2022, arXiv 2112.03570"
    fpr: float = 0.001  # largest false-positive rate

    def __post_init__(self) -> None:
        if not 0 <= self.fpr < 1:
            raise InputError(f"fpr must be in [0, 1), a fraction, got {self.fpr}; 0.1 % is 0.001")

    @property
    def chance(self) -> float | None:
        return self.fpr or None  # at an FPR of 0 it is 1 / (non-members + 1)

    @property
    def label(self) -> str:
        return f"tpr@fpr={self.fpr:g}"

    def applies(self, sample: Sample) -> str | None:
        if self.fpr and sample.n_nonmembers * self.fpr < 1 - 1e-9:
            needed = math.ceil(1 / self.fpr - 1e-9)
            return f"an FPR of {self.fpr:g} needs at least {needed} non-members, got {sample.n_nonmembers}"
        return super().applies(sample)

    def value(self, sample: Sample) -> float:
        return sample.roc.at_fpr(self.fpr).tpr

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        point = sample.roc.at_fpr(self.fpr)
        lo, hi = tpr_interval(sample, self.fpr, level)
        detail: dict[str, Any] = point._asdict()
        del detail["tpr"]
        if self.fpr == 0:
            others = sample.nonmember_part
            n0 = effective_size(others.scores >= point.threshold, others.model, others.record, level)
            detail["fpr_hi"] = clopper_pearson(0, n0, 2 * level - 1).hi  # one-sided
        return Estimate(point.tpr, lo, hi, sample.n_members, sample.n_nonmembers, detail)
