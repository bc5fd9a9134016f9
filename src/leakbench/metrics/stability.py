from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..signals.types import Array, Bools
from .base import Estimate, Metric
from .statistics.clusters import clustered_variance
from .statistics.intervals import Limits, clopper_pearson
from .statistics.sample import Sample
from .tpr_at_fpr import TprAtFpr


@dataclass(frozen=True)
class Stability(Metric):
    r"""If the attack finds a record in one model, how often does it find it in another that was trained on it too?

    Formula: sum_x c_x (c_x - 1) / sum_x c_x (k_x - 1),  c_x = how many of the k_x models that trained on x score it
        above the threshold of the FPR, which is one for all models. It is the TPR if all records are found alike, 1 if
        the same records are found in all models. The detail has the TPR, `coverage`, the share of the records that
        are found in at least one model, and `always`, the share that are found in all of them: the union and the
        intersection over models. Both depend on the mean number of models of a record, `models`.
    Shapes:  scores, members, model, row [n] -> number in [0, 1]
    Source:  coverage and stability over instances of an attack: Wang et al. 2025, arXiv 2506.13972
    Differs: the instances are models, not seeds of the attacker; the share is over pairs of them, so that it does not
             fall with their number. A model is a shadow model where another is the target, which makes the two depend
             on each other a little.
    """

    name: ClassVar[str] = "stability"
    source: ClassVar[str] = "Wang et al. 2025, arXiv 2506.13972"
    fpr: float = 0.01  # largest false-positive rate

    def __post_init__(self) -> None:
        TprAtFpr(self.fpr)  # raises if fpr is not one

    @property
    def label(self) -> str:
        return f"{self.name}@fpr={self.fpr:g}"

    def applies(self, sample: Sample) -> str | None:
        if (np.bincount(sample.row[sample.members]) < 2).all():
            return "needs a record that is a member of two models, got none"
        return TprAtFpr(self.fpr).applies(sample)

    def estimate(self, sample: Sample, level: float = 0.95) -> Estimate:
        part = sample.member_part
        called = part.scores >= sample.roc.at_fpr(self.fpr).threshold
        value, limits = recurrence(called, part, level)
        c, k = np.bincount(part.row, called), np.bincount(part.row)
        detail = {
            "tpr": called.mean(),
            "coverage": (c > 0).sum() / (k > 0).sum(),
            "always": (c[k > 0] == k[k > 0]).mean(),
            "models": k[k > 0].mean(),
        }
        counts = sample.n_members, sample.n_nonmembers
        return Estimate(value, *limits, *counts, {key: float(each) for key, each in detail.items()})


def recurrence(called: Bools, sample: Sample, level: float = 0.95) -> tuple[float, Limits]:
    r"""The share of the other models that call a record a member, averaged over what is called one; with its interval.

    Formula: R = A / B,  A = sum_x c_x (c_x - 1),  B = sum_x c_x (k_x - 1),  c_x of the k_x models call x a member.
        It estimates E[p^2] / E[p], p the probability that a model calls x a member, without bias in A and in B; so R is
        the rate E[p] itself if all records have the same p.
        The interval is Clopper and Pearson's at R n_eff of n_eff,  n_eff = R (1 - R) / V,  V = V_record +
        max(0, V_model - V_cell) of the influence values of R (`clusters`). A model's influence is twice the sum of its
        cells, as each pair of calls has two models. R = 0 or 1: n_eff = the records that are called once or more.
    Shapes:  called [n]
    """
    c, k = np.bincount(sample.row, called), np.bincount(sample.row)
    again, others = (c[sample.row] - called), k[sample.row] - 1
    pairs, possible = float((called * again).sum()), float((called * others).sum())
    found = int(((c > 0) & (k > 1)).sum())
    if possible == 0:
        return 0.0, Limits(0.0, 1.0)
    rate = pairs / possible
    if rate in (0.0, 1.0):
        return rate, clopper_pearson(rate * found, found, level)
    psi: Array = (called * again - rate * (called * others + again) / 2) / possible
    clusters = clustered_variance(2 * psi, sample.model, sample.record)
    clusters = clusters._replace(
        by_record=clustered_variance(psi, sample.model, sample.record).by_record, n=found
    )
    n = rate * (1 - rate) / (clusters.effective_variance(level) + (rate**2 + (1 - rate) ** 2) / found**2)
    return rate, clopper_pearson(rate * n, n, level)
