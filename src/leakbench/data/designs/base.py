"""Designs: the members of each model, and the records on which a model is attacked."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.registry import Plugin
from ...signals.types import Bools
from ..dataset import Dataset, Indices

MOST_MODELS = 100_000


@dataclass(frozen=True, eq=False)
class Split:
    """The membership of M models on N records of a data set."""

    records: Indices  # [N] the candidate records, as rows of the data set
    members: Bools  # [M, N] model m trains on record n
    audited: Bools  # [M, N] where the record counts as a member or a non-member of model m (not a dev record)
    dev: tuple[Indices, ...]  # [M] rows of the data set for model m's early stopping
    targets: tuple[int, ...]  # the models that are attacked
    numbers: tuple[int, ...] = ()  # [M] of the models in the whole design, where some were left out
    always: Indices = field(
        default_factory=lambda: np.empty(0, np.int64)
    )  # further rows that every model trains on

    def trained_on(self, m: int) -> Indices:
        """Rows of the data set that model m trains on: its members, then those that all models share."""
        return np.concatenate([self.records[self.members[m]], self.always])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many rows each model trains on [M]."""
        sizes: NDArray[np.int64] = self.members.sum(axis=1) + len(self.always)
        return sizes

    def number(self, m: int) -> int:
        """The number of model m in the whole design, from which its seed is derived."""
        return self.numbers[m] if self.numbers else m

    def without(self, lost: Collection[int]) -> "Split":
        """The same without some models. Their partners in complementary pairs are no targets any more: targets stay in
        whole pairs, of which one half may choose what the other measures."""
        kept = [m for m in range(len(self.members)) if m not in lost]
        alone = {j for j in kept for m in lost if self._complementary(j, m)}
        return Split(
            self.records,
            self.members[kept],
            self.audited[kept],
            tuple(self.dev[m] for m in kept),
            tuple(i for i, m in enumerate(kept) if m in self.targets and m not in alone),
            tuple(self.number(m) for m in kept),
            self.always,
        )

    def _complementary(self, j: int, m: int) -> bool:
        both = self.audited[j] & self.audited[m]
        return bool(both.any() and (self.members[j] != self.members[m])[both].all())

    def population(self, dataset: Dataset) -> Indices:
        """Rows of the data set's test part that are no candidate records: no model may train on them."""
        return np.setdiff1d(dataset.parts["test"], self.records)

    def check(self, dataset: Dataset) -> "Split":
        """This split. Raises InputError if a model has no members, no non-members, or none of some class."""
        y = dataset.y[self.records]
        for m, (members, audited) in enumerate(zip(self.members, self.audited, strict=True)):
            inside, outside = int((members & audited).sum()), int((~members & audited).sum())
            if not inside or not outside:
                raise InputError(
                    f"every model must have members and non-members, got {inside} and {outside} for "
                    f"model {m} of {len(y)} records; keep more records"
                )
            missing = np.flatnonzero(np.bincount(y[members], minlength=len(dataset.classes)) == 0)
            if len(missing):
                raise InputError(
                    "every model's members must hold every class, got none of class "
                    f"{dataset.classes[missing[0]]!r} among the {inside} of model {m}; keep more records, "
                    "take another seed, or drop the class"
                )
        return self


class Design(Plugin):
    """Decides, from the data and a seed alone, which model trains on which records."""

    def split(self, dataset: Dataset, seed: int) -> Split:
        """The membership of every model. Raises InputError if the data is too small for the design."""
        raise NotImplementedError


def complementary(records: int, models: int, rng: np.random.Generator) -> Bools:
    """Membership [M, N] of pairs: model 2k on a random half of the records, model 2k+1 on the other half.

    Every record is in exactly M/2 models. With an odd number of records the halves differ by one. Raises
    InputError for an odd number of models.
    """
    if models % 2:
        raise InputError(
            f"models must be an even number (complementary pairs), got {models}; take {models + 1}"
        )
    members = np.empty((models, records), dtype=np.bool_)
    for k in range(0, models, 2):
        members[k] = rng.permutation(records) < (records + 1) // 2
        members[k + 1] = ~members[k]
    return members
