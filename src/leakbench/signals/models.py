"""What an attack receives: the target, its shadow models, and moments over these.

Axes: M models, V views of a query, N records, C classes. Membership is bool [M, N]. Every score says *higher
= more likely a member*. Nothing that an attack receives holds the target's membership.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .axes import Numbers
from .copies import alike, copies
from .types import Array, Bools, ByModel, Labels, Signals, on_records

COINCIDENCE = 20  # common records from which equal or opposite membership is design, not chance


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
        """For each record the first one with the same label and predictions, often itself [N]; see `signals.copies`.

        Where copies are known, those: other records with the same predictions, as trees give many, are not alike.
        """
        if self.known_copies is not None:
            return self.known_copies
        s = self.signals
        given = (array for array in (s.logits, s.losses, s.scores) if array is not None)
        return alike(s.labels, (of_model for array in given for of_model in array), s.shape[2])

    @cached_property
    def copy_of(self) -> NDArray[np.intp]:
        """For each record the first one that it is a copy of, often itself [N]; see `signals.copies`."""
        if self.known_copies is not None or np.array_equal(self.alike, np.arange(self.alike.size)):
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
