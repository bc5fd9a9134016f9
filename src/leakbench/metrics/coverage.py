"""Do the intervals hold? Simulated studies with known truth; `python -m leakbench.metrics.coverage` prints the table.

A score is d for a member, plus a model's offset, plus a record's offset, plus noise, all Gaussian and of total
variance 1; with a `step` it is rounded to multiples of it, which makes ties.
"""

import argparse
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from scipy import special

from ..seeds import stream
from .advantage import Advantage
from .auc import Auc
from .balanced_accuracy import BalancedAccuracy
from .base import Estimate, Metric, Sample
from .best_balanced_accuracy import BestBalancedAccuracy
from .bootstrap import auc, paired_difference, tpr_at
from .intervals import Limits, clopper_pearson
from .precision import Precision
from .standard import STANDARD
from .tpr_at_fpr import TprAtFpr

NOMINAL = 0.95
REQUIRED = 0.93
RESAMPLES = 200


@dataclass(frozen=True)
class Law:
    """Where the scores of members and non-members come from, and so what each metric truly is."""

    d: float
    step: float = 0.0

    def above(self, threshold: float, member: bool) -> float:
        """P(score >= threshold)."""
        return float(special.ndtr(self.d * member - threshold + self.step / 2))

    def tpr(self, fpr: float) -> float:
        """The largest TPR with FPR <= fpr over all thresholds."""
        threshold = -special.ndtri(fpr) + self.step / 2
        if self.step:
            threshold = np.ceil(threshold / self.step - 1e-9) * self.step
        return self.above(threshold, True)

    def auc(self) -> float:
        """P(member above) + P(equal) / 2."""
        if not self.step:
            return float(special.ndtr(self.d / np.sqrt(2)))
        edges = (np.arange(-round(9 / self.step), round(12 / self.step)) + 0.5) * self.step
        member = np.diff(special.ndtr(edges - self.d))
        below = special.ndtr(edges)
        return float(member @ (below[1:] + below[:-1]) / 2)


@dataclass(frozen=True)
class Study:
    """One kind of study: one target with n1 members and n0 non-members, or T targets on N records."""

    law: Law
    n1: int = 0
    n0: int = 0
    targets: int = 1
    records: int = 0
    of_model: float = 0.0  # share of the variance that is the model's offset
    of_record: float = 0.0  # ... the record's

    @property
    def label(self) -> str:
        """One line that says it all."""
        ties = f", rounded to {self.law.step:g}" if self.law.step else ""
        if self.targets == 1:
            return f"1 target, {self.n1}/{self.n0}, d={self.law.d:g}{ties}"
        shares = f"model {self.of_model:.0%}, record {self.of_record:.0%}"
        return f"{self.targets} targets x {self.records}, d={self.law.d:g}, {shares}"

    def draw(self, rng: np.random.Generator) -> Sample:
        """The scores of one study. Several targets come in pairs that train on complementary halves."""
        if self.targets == 1:
            members = (np.arange(self.n1 + self.n0) < self.n1)[None]
        else:
            firsts = rng.permuted(np.tile(np.arange(self.records) % 2 == 0, (self.targets // 2, 1)), axis=1)
            members = np.stack([firsts, ~firsts], axis=1).reshape(self.targets, self.records)
        model, record = np.indices(members.shape)
        return self._sample(self._scores(members, rng), members, model, record, rng)

    def _scores(self, members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        shares = (self.of_model, self.of_record, 1 - self.of_model - self.of_record)
        shapes = ((members.shape[0], 1), (1, members.shape[1]), members.shape)
        noise = sum(np.sqrt(s) * rng.standard_normal(n) for s, n in zip(shares, shapes, strict=True))
        scores = self.law.d * members + noise
        return np.round(scores / self.law.step) * self.law.step if self.law.step else scores

    def _sample(self, scores, members, model, record, rng) -> Sample:  # type: ignore[no-untyped-def]
        halves = rng.random(members.size) < 0.5 if self.targets == 1 else model.ravel() % 4 < 2
        decided = scores.ravel() >= self.law.d / 2
        return Sample(scores.ravel(), members.ravel(), model.ravel(), record.ravel(), halves, decided)
