from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import ndtri

from ..core.checks import within
from .base import Estimate, Metric
from .statistics.epsilon import epsilon_lower_bound
from .statistics.sample import Sample, missing_group

FEWEST_MODELS = 4  # of a half: with fewer, how much models differ is not known


@dataclass(frozen=True)
class ManyModelsEpsilonBound(Metric):
    r"""Which epsilon do the error rates of the attack refute, over many trained models?

    Formula: max{ln((1 - delta - FPR) / FNR), ln((1 - delta - FNR) / FPR), 0} with upper confidence limits FPR and
                 FNR at one threshold, chosen on the other half of the models; the detail has Gaussian privacy's
                 mu = Phi^-1(1 - FPR) - Phi^-1(FNR) from the same limits.
    Shapes:  scores, members, select [n] -> number >= 0;  0 without leakage
    Source:  Kairouz, Oh and Viswanath 2015, theorem 2.1, arXiv 1311.0776; Dong, Roth and Su 2022, arXiv 1905.02383
    Bounds:  the epsilon of adding or removing one record, at `delta`, on average over the records. The limits allow for
             what scores of one model, and of one record, have in common, so they need models: at least 4 in each half.
    """

    name: ClassVar[str] = "epsilon_bound_models"
    source: ClassVar[str] = "Kairouz, Oh and Viswanath 2015, arXiv 1311.0776"
    delta: float = 1e-5  # the delta of differential privacy

    def __post_init__(self) -> None:
        within("delta", self.delta, 0.0, 1.0)

    @property
    def chance(self) -> float:
        return 0.0

    @property
    def label(self) -> str:
        return f"{self.name}@delta={self.delta:g}"

    def applies(self, sample: Sample) -> str | None:
        """Both halves must have models enough, members and non-members."""
        models = min(np.unique(half.model).size for half in (sample.choosing, sample.rest))
        if models < FEWEST_MODELS:
            return f"needs {FEWEST_MODELS} models in each half, got {models}"
        return missing_group(sample.choosing) or missing_group(sample.rest)

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        """The bound; its interval reaches from it to infinity, at one-sided confidence `level`."""
        found, rest = epsilon_lower_bound(sample, self.delta, level), sample.rest
        mu = max(0.0, float(ndtri(1 - found.fpr_hi) - ndtri(found.fnr_hi)))
        detail = {**found._asdict(), "mu": mu, "delta": self.delta, "level": level}
        del detail["epsilon"]
        return Estimate(found.epsilon, found.epsilon, np.inf, rest.n_members, rest.n_nonmembers, detail)
