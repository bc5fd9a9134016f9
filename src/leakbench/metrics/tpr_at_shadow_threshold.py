from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from .base import Estimate, Metric
from .statistics.intervals import rate_interval
from .statistics.sample import Sample

FEWEST_MODELS = 3


@dataclass(frozen=True)
class TprAtShadowThreshold(Metric):
    r"""Which share of the members does an attacker find who takes the threshold for the FPR from other models?

    Formula: TPR on model t of "member if s >= tau_t",  tau_t = the median over the other models u of the smallest
                 threshold at which at most a share `fpr` of the non-members of u pass. The detail has the FPR that is
                 realised, with its interval: it may lie above `fpr`, which the attacker cannot see.
    Shapes:  scores, members, model [n] -> number in [0, 1]
    Source:  "lira_analysis", PoPETs 2026, arXiv 2603.07567
    """

    name: ClassVar[str] = "tpr_at_shadow_threshold"
    source: ClassVar[str] = "PoPETs 2026, arXiv 2603.07567"
    fpr: float = 0.001  # false-positive rate of the shadow models' threshold

    def __post_init__(self) -> None:
        if not 0 < self.fpr < 1:
            raise InputError(f"fpr must be above 0 and below 1, a fraction, got {self.fpr}; 0.1 % is 0.001")

    @property
    def label(self) -> str:
        return f"{self.name}@fpr={self.fpr:g}"

    def applies(self, sample: Sample) -> str | None:
        """There must be other models, each with non-members enough to resolve the FPR."""
        models = np.unique(sample.model)
        if models.size < FEWEST_MODELS:
            return f"needs {FEWEST_MODELS} models, got {models.size}"
        fewest = min(sample.at(sample.model == m).n_nonmembers for m in models)
        if fewest * self.fpr < 1 - 1e-9:
            return f"an FPR of {self.fpr:g} needs {1 / self.fpr:.0f} non-members of every model, got {fewest}"
        return super().applies(sample)

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        models, place = np.unique(sample.model, return_inverse=True)
        own = np.array([sample.at(sample.model == m).roc.at_fpr(self.fpr).threshold for m in models])
        others = [np.median(np.delete(own, k)) for k in range(models.size)]
        called, members = sample.scores >= np.array(others)[place], sample.members
        realised = rate_interval(called[~members], sample.nonmember_part, level)
        detail = {"fpr": float(called[~members].mean()), "fpr_lo": realised.lo, "fpr_hi": realised.hi}
        limits = rate_interval(called[members], sample.member_part, level)
        counts = sample.n_members, sample.n_nonmembers
        return Estimate(float(called[members].mean()), *limits, *counts, detail)
