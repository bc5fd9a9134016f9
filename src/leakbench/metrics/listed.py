from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.types import Bools
from .base import Estimate, Metric
from .statistics.intervals import rate_interval
from .statistics.sample import Sample


@dataclass(frozen=True)
class Listed(Metric):
    r"""Which share of the members can be listed, with at most a share `fdr` of the list wrong?

    Formula: p = (1 + #{non-member scores >= s}) / (1 + #{non-member scores}) of every record, with the non-members of
                 the other models, or of the only one without the record itself. The list of a model holds the records
                 with the k smallest p, k = max{k: p_(k) <= fdr k / n} (Benjamini and Hochberg). On average at most a
                 share `fdr` of it are non-members. The value is the share of the members on the lists.
    Shapes:  scores, members [n] -> number in [0, 1]
    Source:  Benjamini and Hochberg 1995; for conformal p-values Bates et al. 2023, arXiv 2104.08279
    """

    name: ClassVar[str] = "listed"
    source: ClassVar[str] = "Benjamini and Hochberg 1995"
    fdr: float = 0.05  # largest share of errors in the list

    def __post_init__(self) -> None:
        if not 0 < self.fdr < 1:
            raise InputError(f"fdr must be above 0 and below 1, a fraction, got {self.fdr}; 5 % is 0.05")

    @property
    def chance(self) -> float:
        return 0.0

    @property
    def label(self) -> str:
        return f"{self.name}@fdr={self.fdr:g}"

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        listed, members = on_list(sample, self.fdr), sample.members
        limits = rate_interval(listed[members], sample.member_part, level)
        models = np.unique(sample.model).size
        detail = {
            "listed": listed.sum() / models,
            "wrong": (listed & ~members).sum() / models,
            "models": models,
        }
        counts = sample.n_members, sample.n_nonmembers
        return Estimate(
            float(listed[members].mean()), *limits, *counts, {k: float(v) for k, v in detail.items()}
        )


def on_list(sample: Sample, fdr: float) -> Bools:
    """Which scores are on the list of their model [n]."""
    p, listed = sample.p_values, np.zeros(sample.scores.size, dtype=bool)
    for model in np.unique(sample.model):
        rows = np.flatnonzero(sample.model == model)
        ordered = np.sort(p[rows])
        passed = np.flatnonzero(ordered <= fdr * np.arange(1, rows.size + 1) / rows.size)
        if passed.size:
            listed[rows] = p[rows] <= ordered[passed[-1]]
    return listed
