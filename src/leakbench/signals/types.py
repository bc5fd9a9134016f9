"""The outputs of models on records, and the statistics that follow from them.

Axes: M models, V views of a query, N records, C classes.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.array_cache import Recent
from ..core.errors import InputError
from .axes import Numbers
from .resolution import Resolution
from .sensitivity import sensitivity
from .statistics import (
    FROM_LOSS,
    FROM_ROUNDED,
    GRADIENT_NORMS,
    LABEL_CORRECT,
    LABEL_COUNTS,
    LABEL_FREE,
    STATISTICS,
    TRAJECTORY,
)
from .views import distance

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Labels = NDArray[np.int64]


BLOCK = 2**21  # logits that are computed with at once: 16 MB in double precision
COARSE = 1e-6  # step from which the label's probability alone tells more of 1 - p than the sum of the others
Records = slice | NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class PerModel:
    """An array [M, ...] that is never whole in memory: each call of `load(m)` gives model m's part.

    Where `load_records` is there, `load_records(m, records)` gives model m's part on some records, [V, n, ...], without
    the others.
    """

    shape: tuple[int, ...]
    load: Callable[[int], Numbers]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    load_records: Callable[[int, Records], Numbers] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, m: int) -> Numbers:
        if not -len(self) <= m < len(self):
            raise IndexError(m)
        return self.load(m % len(self))

    def __iter__(self) -> Iterator[Numbers]:
        return map(self.load, range(len(self)))


ByModel = Numbers | PerModel  # [M, ...]: what is read a model at a time


def on_records(array: ByModel, m: int, records: Records) -> Numbers:
    """Model m's part of an array [M, V, N, ...] on some records, [V, n, ...]."""
    if isinstance(array, PerModel) and array.load_records is not None:
        return array.load_records(m, records)
    return np.asarray(array[m])[:, records]


def in_blocks(array: ByModel, m: int) -> Iterator[tuple[slice, Numbers]]:
    """Model m's part [V, N, ...] in blocks of records, each of about BLOCK values at most, and which records they are.

    A part that can only be loaded whole is loaded once.
    """
    if isinstance(array, PerModel) and array.load_records is None:
        array, m = array[m][None], 0
    n = array.shape[2]
    step = max(1, BLOCK // max(1, math.prod(array.shape[1:]) // n))
    for first in range(0, n, step):
        records = slice(first, min(first + step, n))
        yield records, on_records(array, m, records)


def _of_label(log_p: Numbers, labels: Labels) -> Array:
    """The probability of the label [V, n] from log-probabilities [V, n, C]."""
    own = np.take_along_axis(log_p, labels[None, :, None], axis=2)[..., 0]
    return np.asarray(np.exp(np.minimum(own.astype(np.float64), 0.0)))


@dataclass(frozen=True, eq=False)
class Signals:
    """The outputs of M models on N records in V views: logits, or losses, or ready scores.

    Log-probabilities serve as logits: every statistic is the same for z and for log softmax(z). Beside logits
    there may be those on K `noisy` copies of each record in the first view, x + noise_scale u with u ~ N(0, I).
    `resolutions` say, by "logits" and "losses", to which step probabilities or losses are rounded: a zero among them is
    read as half a step. Of perturbed views there is the predicted class alone, which label-only attacks read beside the
    largest class of the logits.
    """

    labels: Labels | None = None  # [N]
    logits: ByModel | None = None  # [M, V, N, C]
    losses: ByModel | None = None  # [M, V, N]
    scores: ByModel | None = None  # [M, V, N]
    noisy: ByModel | None = None  # [M, K, N, C]
    noise_scale: float = 1e-3
    resolutions: Mapping[str, Resolution] = field(default_factory=dict)
    predicted: ByModel | None = None  # [M, K, N] classes predicted in K perturbed views
    gradients: ByModel | None = None  # [M, K, N] logarithms of GRADIENT_NORMS, of the first K of them
    features: Array | None = None  # [N, D] what is known of the records beside their labels
    trajectories: ByModel | None = (
        None  # [M, E F, N] F metrics of each model's student after each of E epochs
    )
    views: tuple[str, ...] = ()  # names of the V views, then of the K perturbed ones; empty: not known
    _recent: Recent = field(default_factory=Recent, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, V, N)."""
        for array in (self.logits, self.losses, self.scores):
            if array is not None:
                return array.shape[0], array.shape[1], array.shape[2]
        raise InputError("signals need logits, losses or scores, got none of them")

    def offers(self, statistic: str) -> bool:
        """Whether `statistic` can be computed; for what is no statistic of a view, whether it is there."""
        given = {
            "labels": self.labels,
            "logits": self.logits,
            "score": self.scores,
            "sensitivity": self.noisy,
            "features": self.features,
            TRAJECTORY: self.trajectories,
        }
        if statistic in given:
            return given[statistic] is not None
        if statistic in GRADIENT_NORMS:
            return self.gradients is not None and GRADIENT_NORMS.index(statistic) < self.gradients.shape[1]
        if statistic in (LABEL_CORRECT, LABEL_COUNTS):
            return self.offers("correct") and self.n_label_views > 1
        return self._from_logits(statistic) or (self.losses is not None and statistic in FROM_LOSS)

    @property
    def n_label_views(self) -> int:
        """In how many views the predicted class is known, perturbed ones included."""
        return self.shape[1] + (0 if self.predicted is None else self.predicted.shape[1])

    @cached_property
    def distances(self) -> NDArray[np.intp]:
        """The number of each view's distance from the record [V + K], as `views.distance` tells them apart.

        Views without names are all of one distance.
        """
        named = [distance(name) for name in self.views] or [""] * self.n_label_views
        numbers = {name: number for number, name in enumerate(dict.fromkeys(named))}
        return np.array([numbers[name] for name in named])

    def _from_logits(self, statistic: str) -> bool:
        known = self.labels is not None or statistic in LABEL_FREE
        return self.logits is not None and statistic in STATISTICS and known

    def statistic(self, name: str, m: int) -> Array:
        """The statistic `name` of model m [V, N] in float64, read-only.

        A statistic that is computed again is cached, up to `array_cache.KEPT` bytes.
        Raises InputError if it cannot be computed from what is here.
        """
        return self._recent.get(name, m, lambda: self._compute(name, m))

    def derived(self, name: str, m: int, compute: Callable[[], Array]) -> Array:
        """What `compute` makes of model m's predictions, read-only, kept as statistics are."""
        return self._recent.get(name, m, compute)

    def statistics(self, name: str, models: Iterable[int] | None = None) -> Array:
        """The statistic `name` of some models, or of all [M, V, N]: all in memory at once."""
        chosen = range(self.shape[0]) if models is None else models
        return np.stack([self.statistic(name, int(m)) for m in chosen])

    def _compute(self, name: str, m: int) -> Array:
        if name in ("labels", "logits", "sensitivity", "features") or not self.offers(name):
            raise InputError(f"the statistic {name!r} cannot be computed from these signals")
        if name == LABEL_CORRECT:
            return self._label_correct(m)
        if name == LABEL_COUNTS:
            return np.eye(self.distances.max() + 1)[:, self.distances] @ self.statistic(LABEL_CORRECT, m)
        if name in GRADIENT_NORMS:
            assert self.gradients is not None
            return np.asarray(self.gradients[m], dtype=np.float64)[None, GRADIENT_NORMS.index(name)]
        if name == TRAJECTORY:
            assert self.trajectories is not None
            return np.array(self.trajectories[m], dtype=np.float64)
        if name == "score":
            assert self.scores is not None
            return np.array(self.scores[m], dtype=np.float64)
        return self._of_logits(name, m) if self._from_logits(name) else self._of_losses(name, m)

    def _of_losses(self, name: str, m: int) -> Array:
        assert self.losses is not None
        losses, rounded = np.asarray(self.losses[m]), self.resolutions.get("losses", Resolution())
        step = max(float(np.finfo(losses.dtype).eps), rounded.step)
        most = -np.log(step / 2) if rounded.logarithms else np.inf
        return FROM_LOSS[name](np.minimum(losses.astype(np.float64), most), step / 2)

    def _of_logits(self, name: str, m: int) -> Array:
        assert self.logits is not None
        labels = self.labels if self.labels is not None else np.zeros(self.shape[2], dtype=np.int64)
        found = np.empty(self.shape[1:])
        step = self._step("logits")
        votes = self.resolutions.get("logits", Resolution()).votes
        others = self.logits.shape[-1] - 1 if votes else 1
        for records, z in in_blocks(self.logits, m):  # the statistics of a record are of that record alone
            if step >= COARSE and name in FROM_ROUNDED:
                found[:, records] = FROM_ROUNDED[name](_of_label(z, labels[records]), step, others)
                continue
            # f log f is 0 at 0, whatever f was rounded to
            read = z.astype(np.float64) if name in LABEL_FREE else self._resolved(z)
            found[:, records] = STATISTICS[name](read, labels[records])
        return found

    def _label_correct(self, m: int) -> Array:
        """1 where the predicted class of model m is the label, in all views [V + K, N]."""
        correct = self.statistic("correct", m)
        if self.predicted is None:
            return correct
        return np.concatenate([correct, np.asarray(self.predicted[m]) == self.labels])

    def resolved(self, m: int) -> Array:
        """The logits of model m [V, N, C] in float64; where they are of rounded values, none is below half a step's."""
        assert self.logits is not None
        return self._resolved(self.logits[m])

    def _resolved(self, z: Numbers) -> Array:
        wide, step = np.asarray(z, dtype=np.float64), self._step("logits")
        return np.maximum(wide, np.log(step / 2)) if step else wide

    def _step(self, kind: str) -> float:
        return self.resolutions.get(kind, Resolution()).step

    def sensitivity(self, m: int) -> Array:
        """How much the probabilities of model m change with the record, for each class [N, C].

        Raises InputError without outputs for noisy copies.
        """
        if self.logits is None or self.noisy is None:
            raise InputError("the sensitivity needs logits, and those on noisy copies of the records")
        return sensitivity(self.logits[m][0], self.noisy[m], self.noise_scale)
