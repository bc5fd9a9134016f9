from dataclasses import dataclass
from typing import ClassVar

from ..core.errors import InputError
from .base import Estimate, Metric
from .statistics.sample import Sample
from .tpr_at_fpr import TprAtFpr


@dataclass(frozen=True)
class Precision(Metric):
    r"""If the attack accuses at most a share `fpr` of the non-members, which share of the accused are members?

    Formula: TPR pi / (TPR pi + fpr (1 - pi)), TPR at that FPR, pi the share of members among the candidate
        records: `prior`, or the share in these data. pi itself without leakage. It rises with TPR, so the
        interval of TPR maps to its own.
        fpr = 0: 1 if a member scores above every non-member, else 0; the lower limit puts the upper limit of the
        FPR in place of 0, each at half the error.
    Shapes:  scores, members [n] -> number in [0, 1]
    Source:  Jayaraman et al. 2021, section 4.2, arXiv 2005.10881
    Differs: with ties the FPR reached may lie below `fpr`; the formula uses `fpr`, so it never flatters the attack.
    """

    name: ClassVar[str] = "precision"
    source: ClassVar[str] = "Jayaraman et al. 2021, arXiv 2005.10881"
    fpr: float = 0.01  # largest false-positive rate
    prior: float | None = None  # share of members among the candidates; None: in these data

    def __post_init__(self) -> None:
        if self.prior is not None and not 0 < self.prior < 1:
            raise InputError(
                f"prior must be above 0 and below 1, got {self.prior}; leave it out for the data's"
            )
        TprAtFpr(self.fpr)  # raises if fpr is not one

    @property
    def chance(self) -> float | None:
        return self.prior

    @property
    def label(self) -> str:
        if self.prior is None:
            return f"ppv@fpr={self.fpr:g}"
        return f"precision@fpr={self.fpr:g},prior={self.prior:g}"

    def applies(self, sample: Sample) -> str | None:
        return TprAtFpr(self.fpr).applies(sample)

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        prior = sample.n_members / sample.scores.size if self.prior is None else self.prior
        tpr = TprAtFpr(self.fpr).estimate(sample, level if self.fpr else (1 + level) / 2)
        lo = _precision(tpr.lo, self.fpr or tpr.detail["fpr_hi"], prior)
        hi = _precision(tpr.hi, self.fpr, prior)
        value = _precision(tpr.value, self.fpr, prior)
        detail = tpr.detail | {"prior": prior}
        return Estimate(value, lo, hi, sample.n_members, sample.n_nonmembers, detail)


def _precision(tpr: float, fpr: float, prior: float) -> float:
    return tpr * prior / (tpr * prior + fpr * (1 - prior)) if tpr > 0 else 0.0
