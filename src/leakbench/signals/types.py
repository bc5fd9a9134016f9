"""The data passed between the parts: outputs of models, the target of an attack, its shadow models.

Axes: M models, V views of a query, N records, C classes. Membership is bool [M, N]. Every score says *higher
= more likely a member*. No type that an attack receives holds the target's membership.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.array_cache import Recent
from ..core.errors import InputError
from .axes import Numbers
from .copies import alike, copies
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


COINCIDENCE = 20  # common records from which equal or opposite membership is design, not chance
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
        if not self._from_logits(name):
            assert self.losses is not None
            losses, rounded = np.asarray(self.losses[m]), self.resolutions.get("losses", Resolution())
            step = max(float(np.finfo(losses.dtype).eps), rounded.step)
            most = -np.log(step / 2) if rounded.logarithms else np.inf
            return FROM_LOSS[name](np.minimum(losses.astype(np.float64), most), step / 2)
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


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations of a statistic over models, for each view and record."""

    n: Array  # [N]
    mean: Array  # [V, N]; 0 where n = 0
    m2: Array  # [V, N]

    def without(self, x: Array, present: Bools) -> "Moments":
        """The moments after taking one model's values x [V, N] out, where it is `present` [N].

        Welford's update run backwards: exact in O(1) a record, so every model can be the target once.
        """
        n = self.n - present
        mean = np.where(n > 0, self.mean + np.where(present, self.mean - x, 0.0) / np.maximum(n, 1), 0.0)
        m2 = self.m2 - np.where(present, (x - self.mean) * (x - mean), 0.0)
        return Moments(n, mean, np.where(n > 1, np.maximum(m2, 0.0), 0.0))

    @staticmethod
    def over(values: Iterable[Array], chosen: Bools) -> "Moments":
        """The moments of M models' values [V, N] over the models `chosen` [M, N] for each record.

        One pass, a model at a time (Welford 1962): there may be more of them than memory holds.
        """
        n, mean, m2 = np.zeros(chosen.shape[1]), np.zeros(1), np.zeros(1)
        for value, there in zip(values, chosen, strict=True):
            n += there
            step = np.where(there, value - mean, 0.0)
            mean = mean + step / np.maximum(n, 1)
            m2 = m2 + step * np.where(there, value - mean, 0.0)
        return Moments(n, mean, m2)


@dataclass(frozen=True, eq=False)
class Target:
    """The attacked model, as its attacker sees it: its outputs on the records and on a population.

    The population is made of records that are no members of any model (a test part); it may be absent.
    """

    signals: Signals
    index: int
    population: "Target | None" = None

    @property
    def labels(self) -> Labels | None:
        """The records' labels [N], if the attacker has them."""
        return self.signals.labels

    @property
    def features(self) -> Array:
        """What the attacker knows of the records beside their labels [N, D]."""
        assert self.signals.features is not None
        return self.signals.features

    @property
    def n_records(self) -> int:
        """N."""
        return self.signals.shape[2]

    @property
    def n_classes(self) -> int:
        """C, where there are logits."""
        assert self.signals.logits is not None
        return self.signals.logits.shape[3]

    @property
    def logits(self) -> Array:
        """Logits [V, N, C] in float64, as `Signals.resolved` reads them."""
        return self.signals.resolved(self.index)

    def statistic(self, name: str) -> Array:
        """The statistic `name` of the target's outputs [V, N]."""
        return self.signals.statistic(name, self.index)

    @property
    def sensitivity(self) -> Array:
        """How much the target's probabilities change with the record, for each class [N, C]."""
        return self.signals.sensitivity(self.index)

    def at(self, records: NDArray[np.intp]) -> "Target":
        """The same model on some of its records; nothing else is copied or computed."""

        def cut(array: ByModel | None) -> Numbers | None:
            return None if array is None else on_records(array, self.index, records)[None]

        s = self.signals
        labels = None if s.labels is None else s.labels[records]
        parts = cut(s.logits), cut(s.losses), cut(s.scores), cut(s.noisy)
        features = None if s.features is None else s.features[records]
        more = cut(s.predicted), cut(s.gradients), features, cut(s.trajectories)
        return Target(
            Signals(labels, *parts, s.noise_scale, s.resolutions, *more, s.views), 0, self.population
        )


@dataclass(frozen=True, eq=False)
class Shadows:
    """The attacker's own models, with known membership: all of `models` but those at `exclude`."""

    models: "Models"
    exclude: tuple[int, ...] = ()

    @cached_property
    def indices(self) -> NDArray[np.intp]:
        """Which models these are [S]."""
        return np.setdiff1d(np.arange(self.models.members.shape[0]), self.exclude)

    @property
    def members(self) -> Bools:
        """Membership of the S shadow models [S, N]."""
        return self.models.members[self.indices]

    @property
    def audited(self) -> Bools:
        """Where the shadow models' records count as member or non-member [S, N]."""
        return self.models.audited[self.indices]

    def attacking(self, m: int) -> "Shadows":
        """Those of them that an attacker of model m may use."""
        telling = np.flatnonzero(self.models.telling_each_other[m])
        return Shadows(self.models, tuple(sorted({*self.exclude, *map(int, telling)})))

    def statistic(self, name: str) -> Iterator[Array]:
        """The statistic `name` of one shadow model after the other, [V, N] each."""
        return (self.models.signals.statistic(name, int(m)) for m in self.indices)

    def moments(self, name: str, inside: bool) -> Moments:
        """Moments of the statistic over the shadow models that trained on each record, or did not."""
        moments = self.models.moments(name, inside)
        for m in self.exclude:
            present = self.models.members[m] if inside else ~self.models.members[m]
            moments = moments.without(self.models.signals.statistic(name, m), present)
        return moments

    @property
    def population(self) -> "Shadows | None":
        """The same models on the population records, of which none was a member of any."""
        inner = self.models.population
        return None if inner is None else Shadows(inner, self.exclude)


@dataclass(frozen=True, eq=False)
class Models:
    """M models that underwent the same defence: their signals and who was a member of which."""

    signals: Signals
    members: Bools  # [M, N]
    audited: (
        Bools  # [M, N]: where membership is a fair question; elsewhere the record is neither (a dev part)
    )
    population: "Models | None" = None  # the same models on records that none of them trained on
    identity: str | None = None  # the same for the same outputs and members; None if unknown
    other_records: bool = False  # of shadow models: their records are others than the target's
    known_copies: NDArray[np.intp] | None = None  # `copy_of` where it is known from the records themselves
    _moments: dict[tuple[str, bool], Moments] = field(default_factory=dict, repr=False)
    _making: dict[tuple[str, bool], Lock] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def alike(self) -> NDArray[np.intp]:
        """For each record the first one with the same label and predictions, often itself [N]; see `signals.copies`."""
        s = self.signals
        given = (array for array in (s.logits, s.losses, s.scores) if array is not None)
        return alike(s.labels, (of_model for array in given for of_model in array), s.shape[2])

    @cached_property
    def copy_of(self) -> NDArray[np.intp]:
        """For each record the first one that it is a copy of, often itself [N]; see `signals.copies`."""
        if self.known_copies is not None:
            return self.known_copies
        if np.array_equal(self.alike, np.arange(self.alike.size)):
            return self.alike
        s = self.signals
        given = next(array for array in (s.logits, s.losses, s.scores) if array is not None)
        number = given[0][0].max(axis=-1) if s.logits is not None else given[0][0]
        return copies(self.alike, np.asarray(number))

    def telling(self, members: Bools, audited: Bools) -> Bools:
        """Which models have the membership [N] of a target, or its complement, where both are `audited` [M]."""
        common = self.audited & audited
        same = ((self.members == members) & common).sum(axis=1)
        total = common.sum(axis=1)
        return np.asarray((total >= COINCIDENCE) & ((same == 0) | (same == total)))

    @cached_property
    def telling_each_other(self) -> Bools:
        """Which models tell the membership of which, themselves included [M, M]."""
        rows = [self.telling(*row) for row in zip(self.members, self.audited, strict=True)]
        return np.stack(rows) | np.eye(len(rows), dtype=bool)

    def target(self, m: int) -> Target:
        """Model m as its attacker sees it."""
        return Target(self.signals, m, None if self.population is None else self.population.target(m))

    def shadows(self, *exclude: int) -> Shadows:
        """All models but those at `exclude`."""
        return Shadows(self, exclude)

    def moments(self, name: str, inside: bool) -> Moments:
        """Moments over all M models; computed once, whichever threads request them."""
        key = (name, inside)
        with self._making.setdefault(key, Lock()):
            if key not in self._moments:
                chosen = self.members if inside else ~self.members
                values = (self.signals.statistic(name, m) for m in range(len(chosen)))
                self._moments[key] = Moments.over(values, chosen)
        return self._moments[key]
