"""Puts canaries among the candidate records of a data set: the [canaries] table of a study file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.seeds import stream
from .canaries import CANARIES, CanaryKind
from .dataset import Dataset, Indices
from .designs import Split

AUTO = "auto"
MOST_SHARE = 0.5


@dataclass(frozen=True)
class CanarySpec:
    """The kinds of canaries and their share: the [canaries] table of a study file."""

    share: float = 0.02  # of the candidate records; all kinds together, in equal parts
    kinds: str | tuple[str | dict[str, Any], ...] = (
        AUTO  # names or tables; "auto": those of the study's defences
    )

    def __post_init__(self) -> None:
        if not 0 < self.share <= MOST_SHARE:
            raise InputError(f"share must be above 0 and at most {MOST_SHARE}, got {self.share}")
        if self.listed is not None and len({kind.name for kind in self.listed}) != max(1, len(self.listed)):
            raise InputError(
                f'kinds must be "auto" or a list of different kinds of canary, got {list(self.kinds)}; name each once'
            )

    @cached_property
    def listed(self) -> list[CanaryKind] | None:
        """The kinds that the study names; None: those of its defences."""
        if self.kinds == AUTO:
            return None
        named: Sequence[str | Mapping[str, Any]] = [self.kinds] if isinstance(self.kinds, str) else self.kinds
        return [CANARIES.make(kind) for kind in named]


def plant(dataset: Dataset, spec: CanarySpec, declared: Sequence[str], seed: int) -> Dataset:
    """The data set with canaries in the place of some records of its pool, and their twins in a part of their own.

    `declared` are the kinds that the study's defences name; under "auto" those that the data cannot have are left out
    with a note. Raises InputError for a listed kind that the data cannot have, and for too small a share.
    """
    data = "images" if dataset.is_image else "tables"
    wanted = spec.listed or list(map(CANARIES.make, declared))
    kinds = [kind for kind in wanted if data in kind.of]
    missing = [kind.name for kind in wanted if kind not in kinds]
    if missing and (spec.listed or not kinds):
        possible = [name for name in CANARIES.names() if data in CANARIES.get(name).of]
        raise InputError(
            f"there are no canaries of the kind {missing[0]!r} in {data}; set `kinds` to some of {', '.join(possible)}"
        )
    pool = dataset.parts["pool"]
    total = round(spec.share * len(pool))
    if total < len(kinds):
        raise InputError(
            f"share must leave a canary for each of {len(kinds)} kinds, got {spec.share} of {len(pool)} records; "
            "raise it"
        )
    notes = [f"canaries of the kind {name} were left out: there are none in {data}" for name in missing]
    counts = map(len, np.array_split(np.arange(total), len(kinds)))
    return _planted(dataset, dict(zip(kinds, counts, strict=True)), notes, seed)


def _planted(dataset: Dataset, counts: Mapping[CanaryKind, int], notes: Sequence[str], seed: int) -> Dataset:
    pool = free = dataset.parts["pool"]
    x, y, canaries = dataset.x.copy(), dataset.y.copy(), dict[str, Indices]()
    twins = [(x[:0], y[:0])]
    for kind, n in counts.items():
        rng = stream(seed, "canaries", kind.name)
        rows = np.sort(kind.choose(dataset, free, n, rng))
        made = kind.make(dataset, rows, rng)
        x[rows], y[rows], canaries[kind.name] = made.x, made.y, rows
        twins += [made.twins] if made.twins else []
        free = np.setdiff1d(free, rows)
    places = np.arange(len(x), len(x) + sum(len(labels) for _, labels in twins))
    planted = ", ".join(f"{len(rows)} {name}" for name, rows in canaries.items())
    beside = f", and {len(places)} twins that every model trains on" if len(places) else ""
    note = f"canaries: {planted} among {len(pool)} candidate records{beside}"
    return replace(
        dataset,
        x=np.concatenate([x, *(records for records, _ in twins)]),
        y=np.concatenate([y, *(labels for _, labels in twins)]),
        parts={**dataset.parts, **({"twins": places} if len(places) else {})},
        canaries=canaries,
        notes=(*dataset.notes, *notes, note),
    )


def require_measurable(dataset: Dataset, split: Split, fewest: int) -> None:
    """Raise InputError if a kind of canary has fewer than `fewest` members or non-members over all targets.

    Raise it also if records of the test part are candidates, because accuracy is measured on these.
    """
    if not dataset.canaries:
        return
    if not np.isin(split.records, dataset.parts["pool"]).all():
        raise InputError(
            "canaries need a design that attacks records of the pool alone, such as 'random_half'; this one attacks "
            "the test part too, on which the accuracy on clean records is measured"
        )
    targets = list(split.targets)
    members, audited = split.members[targets], split.audited[targets]
    for kind, rows in dataset.canaries.items():
        there = np.isin(split.records, rows) & audited
        inside, outside = int((members & there).sum()), int((~members & there).sum())
        if min(inside, outside) < fewest:
            raise InputError(
                f"canaries must have {fewest} members and {fewest} non-members of each kind over all targets, got "
                f"{inside} and {outside} of the kind {kind!r}; raise `share` or the number of models"
            )
