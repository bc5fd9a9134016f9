"""The exact empirical ROC: one sort, ties as one step, nothing interpolated."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...signals.types import Array, Bools

Counts = NDArray[np.int64]


class Point(NamedTuple):
    """One point of a ROC: everything that scores at least `threshold` is called a member."""

    tpr: float
    fpr: float
    tp: int
    fp: int
    threshold: float  # inf where nothing is called a member


@dataclass(frozen=True, eq=False)
class Roc:
    """Counts of true and false positives at every distinct score, in descending order of the score."""

    thresholds: Array  # [J] distinct scores, descending
    tp: Counts  # [J] members that score >= threshold
    fp: Counts  # [J] non-members that score >= threshold
    n1: int  # members
    n0: int  # non-members
    step: NDArray[np.intp]  # [n] where each score stands among the thresholds

    @classmethod
    def of(cls, scores: Array, members: Bools, order: NDArray[np.intp] | None = None) -> "Roc":
        """The ROC of scores [n] and membership [n], in O(n log n); O(n) if the falling `order` [n] is known.

        Raises InputError unless the scores are finite and both members and non-members are there.
        """
        n1 = int(members.sum())
        n0 = members.size - n1
        if scores.shape != members.shape or scores.ndim != 1:
            raise InputError(f"scores and members must both be [n], got {scores.shape} and {members.shape}")
        if n1 == 0 or n0 == 0:
            raise InputError(f"a ROC needs members and non-members, got {n1} and {n0}; give both")
        if not np.isfinite(scores).all():
            raise InputError("scores must be finite, got NaN or infinity; replace or drop those records")
        order = np.argsort(-scores) if order is None else order
        descending = scores[order]
        differs = descending[1:] != descending[:-1]
        last = np.flatnonzero(np.append(differs, True))
        tp = np.cumsum(members[order], dtype=np.int64)[last]
        step = np.empty(order.size, dtype=np.intp)
        step[order] = np.append(0, np.cumsum(differs))
        return cls(descending[last], tp, last + 1 - tp, n1, n0, step)

    @property
    def tpr(self) -> Array:
        """True-positive rate [J]."""
        return self.tp / self.n1

    @property
    def fpr(self) -> Array:
        """False-positive rate [J]."""
        return self.fp / self.n0

    @property
    def auc(self) -> float:
        """P(member's score > non-member's) + P(equal) / 2; summed in integers, so free of rounding."""
        wins = np.diff(self.tp, prepend=0) * (2 * self.n0 - self.fp - np.append(0, self.fp[:-1]))
        return int(wins.sum()) / (2 * self.n1 * self.n0)

    def at_fpr(self, fpr: float) -> Point:
        """The largest TPR whose FPR is at most `fpr`, and among those points the one of the smallest FPR."""
        within = np.searchsorted(self.fp, allowed(fpr, self.n0), side="right") - 1
        tp = self.tp[within] if within >= 0 else 0
        return self._point(int(np.searchsorted(self.tp, tp)) if tp else -1)

    def best(self) -> Point:
        """The point of the largest TPR - FPR; of several, the one of the highest threshold."""
        return self._point(int(np.argmax(self.tp * self.n0 - self.fp * self.n1)))

    def above(self, rank: NDArray[np.intp]) -> Counts:
        """How many members score strictly above the non-member of each `rank` (1 = the highest, n0 = the lowest).

        Rank 0 stands for +infinity, a rank beyond n0 for -infinity.
        """
        step = np.searchsorted(self.fp, np.maximum(rank, 1))
        before = np.concatenate([[0], self.tp[:-1], [self.n1]])
        return np.where(rank < 1, 0, before[step])

    def placements(self, members: Bools) -> Array:
        """How much of the other group each score beats, or for a non-member is beaten by, ties as one half [n].

        Their mean over the members, and over the non-members, is the AUC (DeLong et al. 1988).
        """
        fp_mid = (self.fp + np.append(0, self.fp[:-1])) / (2 * self.n0)
        tp_mid = (self.tp + np.append(0, self.tp[:-1])) / (2 * self.n1)
        return np.asarray(np.where(members, 1.0 - fp_mid[self.step], tp_mid[self.step]))

    def _point(self, j: int) -> Point:
        if j < 0:
            return Point(0.0, 0.0, 0, 0, np.inf)
        tp, fp = int(self.tp[j]), int(self.fp[j])
        return Point(tp / self.n1, fp / self.n0, tp, fp, float(self.thresholds[j]))


def allowed(fpr: float, n0: int) -> int:
    """How many false positives among n0 an FPR allows; 0.29 * 100 = 28.999... counts as 29.

    >>> allowed(0.29, 100)
    29
    """
    return int(allowances(np.array([fpr]), n0)[0])


def allowances(fpr: Array, n0: int | Counts) -> Counts:
    """`allowed` of each FPR [G], or of each among each of several numbers [R, 1]."""
    return np.floor(fpr * n0 * (1 + 1e-12)).astype(np.int64)


def best_threshold(scores: Array, members: Bools) -> float:
    """The threshold t of the largest balanced accuracy of "member if score >= t", by one sort.

    It is one of the scores, so a strictly increasing map of the scores maps it along; of several equally good ones
    it is the highest. Raises InputError as `Roc.of` does.
    """
    return Roc.of(scores, members).best().threshold
