"""The best threshold over the scores of many models, of which one at a time need be in memory."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np

from ...core.array_cache import Recent
from ...core.errors import InputError
from ...signals.types import Array, Bools
from .roc import Counts

EDGES = 2**15  # at most
LOOKED_AT = 8  # models whose quantiles are the edges
AT_ONCE = 2**22  # scores that are looked at one by one, of all models; more of them are taken in several goes


class PooledScores:
    """Scores of M models, and the threshold that separates members from non-members best.

    Formula: J(t) = TP(t) / n1 - FP(t) / n0 is largest at the score of a member. Scores are counted at G quantiles and
        in between. Within such a bin J is at most what all of its members and none of its non-members would make
        it; where that is less than J at the end of some bin, nobody looks. The rest is few scores if G is above
        sqrt n, since chance alone makes J vary by 1 / sqrt n; they are checked one by one, so the result is exact.
    """

    def __init__(self, load: Callable[[int], tuple[Array, Bools]], n_models: int) -> None:
        """`load(m)` gives model m's scores [n] and membership [n], each time it is called."""
        self._load, self._n_models = load, n_models
        self._recent = Recent()
        self._n0: dict[int, int] = {}
        self._counted: dict[int, Counts] = {}

    def best_threshold(self, models: Sequence[int]) -> float | None:
        """As `roc.best_threshold` of these models' scores: of several equally good ones the highest.

        None unless there are members and non-members. Raises InputError if a score is not finite.
        """
        counts = np.zeros((2, 2 * self._edges.size + 1), dtype=np.int64)  # of non-members, of members
        for m in models:
            counts += self._counts(m)
        n = counts.sum(axis=1)
        if not n.all():
            return None
        above = _above(counts)
        best_within = _gain(above[0], above[1] + counts[1], n)
        at_end = _gain(above[0] + counts[0], above[1] + counts[1], n)
        has_members, between = counts[1] > 0, np.arange(counts.shape[1]) % 2 == 0
        opened = has_members & between & (best_within >= at_end[has_members].max())
        at_edge = has_members & ~between
        best = max(zip(at_end[at_edge], self._edges[at_edge[1::2]], strict=True), default=(-np.inf, 0.0))
        for part in _parts(opened, counts.sum(axis=0)):
            if best_within[part].max() >= best[0]:
                best = max(best, self._best_of(models, part, counts))
        return float(best[1])

    def _best_of(self, models: Sequence[int], opened: Bools, counts: Counts) -> tuple[int, float]:
        """The largest gain of a threshold at a member's score in the bins `opened` [2G + 1], and that score."""
        outside, inside = (self._within(models, side, opened) for side in (0, 1))
        passed = (_above(counts) - _above(counts * opened))[:, 2 * np.searchsorted(self._edges, inside)]
        fp, tp = (p + _reached(scores, inside) for p, scores in zip(passed, (outside, inside), strict=True))
        gain = _gain(fp, tp, counts.sum(axis=1))
        return int(gain.max()), float(inside[gain == gain.max()].max())

    def _within(self, models: Sequence[int], side: int, opened: Bools) -> Array:
        """The scores in the bins `opened` [2G + 1], ascending."""
        parts = [self._sorted(m)[side][np.repeat(opened, self._counts(m)[side])] for m in models]
        return np.sort(np.concatenate(parts))

    def _counts(self, m: int) -> Counts:
        """Non-members and members of model m below edge 0, at it, between it and edge 1, ... [2, 2G + 1]."""
        if m not in self._counted:
            self._counted[m] = np.stack([_binned(scores, self._edges) for scores in self._sorted(m)]).astype(
                np.int32
            )
        return self._counted[m]

    @cached_property
    def _edges(self) -> Array:
        """Quantiles of the scores of some models [G], ascending."""
        looked_at = np.unique(np.linspace(0, self._n_models - 1, LOOKED_AT, dtype=int))
        scores = np.sort(np.concatenate([part for m in looked_at for part in self._sorted(int(m))]))
        enough = min(EDGES, 8 * int(np.sqrt(scores.size * self._n_models / looked_at.size)))
        return np.unique(scores[np.linspace(0, scores.size - 1, enough, dtype=int)])

    def _sorted(self, m: int) -> list[Array]:
        """The scores of model m's non-members, and those of its members, each ascending."""

        def both() -> Array:
            scores, members = self._load(m)
            if not np.isfinite(scores).all():
                raise InputError("scores must be finite, got NaN or infinity; replace or drop those records")
            self._n0[m] = int((~members).sum())
            return np.concatenate([np.sort(scores[~members]), np.sort(scores[members])])

        return np.split(self._recent.get("scores", m, both), [self._n0[m]])


def _gain(fp: Counts, tp: Counts, n: Counts) -> Counts:
    """n0 n1 (TP / n1 - FP / n0), in whole numbers."""
    return np.asarray(tp * n[0] - fp * n[1])


def _parts(opened: Bools, counts: Counts) -> Iterator[Bools]:
    """The bins `opened` [B] in parts of some AT_ONCE scores."""
    part = np.where(opened, (counts * opened).cumsum() // AT_ONCE, -1)
    return (part == number for number in np.unique(part[opened]))


def _above(counts: Counts) -> Counts:
    """How many are in the bins above each [2, B]."""
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1] - counts


def _reached(scores: Array, threshold: Array) -> Counts:
    """How many of the ascending scores [n] are at least each threshold [t]."""
    return np.asarray(scores.size - np.searchsorted(scores, threshold))


def _binned(scores: Array, edges: Array) -> Counts:
    """How many of the ascending scores [n] lie below edge 0, at it, between it and edge 1 ... [2G + 1]."""
    left, right = (np.searchsorted(scores, edges, side) for side in ("left", "right"))
    return np.diff(np.stack([left, right], axis=1).ravel(), prepend=0, append=scores.size)
