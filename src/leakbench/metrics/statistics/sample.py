"""Scores with membership, flat: what metrics and statistics read."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...signals.types import Array, Bools
from .roc import Roc

Ints = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Sample:
    """Scores of one attack on the records of one or several targets, flat.

    Two scores share a cluster if they come from the same model or concern the same record; intervals know it.
    """

    scores: Array  # [n], finite
    members: Bools  # [n]
    model: Ints  # [n] which target
    record: Ints  # [n] which record; copies of a record are one
    select: (
        Bools  # [n] the half on which thresholds may be chosen; numbers so chosen come from the other half
    )
    decided: Bools | None = None  # [n] score passes the threshold that was fixed beforehand, if there is one
    place: Ints | None = None  # [n] where the record stands among all, where it is not `record`

    @property
    def row(self) -> Ints:
        """Where each score's record stands among all records [n]."""
        return self.record if self.place is None else self.place

    @cached_property
    def order(self) -> Ints:
        """The places of the scores, the highest first [n]."""
        return np.argsort(-self.scores)

    @cached_property
    def roc(self) -> Roc:
        """The exact empirical ROC, ties as one step."""
        return Roc.of(self.scores, self.members, self.order)

    @cached_property
    def member_part(self) -> "Sample":
        """The members' scores."""
        return self.at(self.members)

    @cached_property
    def nonmember_part(self) -> "Sample":
        """The non-members' scores."""
        return self.at(~self.members)

    @cached_property
    def choosing(self) -> "Sample":
        """The half on which thresholds and the strongest attack are chosen."""
        return self._in_order(self.select)

    @cached_property
    def rest(self) -> "Sample":
        """The half that chose nothing."""
        return self._in_order(~self.select)

    @cached_property
    def pairs(self) -> str:
        """A digest of the models, records and members: the same for samples that can be compared pair by pair."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.model, self.record, self.members):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def paired_with(self, other: "Sample") -> tuple["Sample", "Sample"]:
        """Both samples with the same clusters: records that one alone takes for copies, as equal outputs, are none."""
        if self.pairs == other.pairs:
            return self, other
        return replace(self, record=self.row, place=None), replace(other, record=other.row, place=None)

    @cached_property
    def p_values(self) -> Array:
        """How often a non-member scores as high as each score [n], in (0, 1].

        Compared with the non-members of the other models, so with none that the score's own model tells about; of the
        only model, with all but the record itself.
        """
        outside = np.sort(self.scores[~self.members])
        above = outside.size - np.searchsorted(outside, self.scores, side="left")
        total = np.full(self.scores.size, outside.size)
        models = np.unique(self.model)
        if models.size == 1:
            above, total = above - ~self.members, total - ~self.members
        for model in models if models.size > 1 else ():
            rows = np.flatnonzero(self.model == model)
            own = np.sort(self.scores[rows][~self.members[rows]])
            above[rows] -= own.size - np.searchsorted(own, self.scores[rows], side="left")
            total[rows] -= own.size
        return np.asarray((1 + above) / (1 + total))

    @property
    def n_members(self) -> int:
        """Scores that belong to members."""
        return int(self.members.sum())

    @property
    def n_nonmembers(self) -> int:
        """Scores that belong to non-members."""
        return int(self.members.size - self.members.sum())

    def at(self, mask: Bools) -> "Sample":
        """The part where `mask` [n] holds."""
        return self.take(np.flatnonzero(mask))

    def take(self, rows: Ints) -> "Sample":
        """The scores at these places, in this order."""
        return replace(
            self,
            scores=self.scores[rows],
            members=self.members[rows],
            model=self.model[rows],
            record=self.record[rows],
            select=self.select[rows],
            decided=None if self.decided is None else self.decided[rows],
            place=None if self.place is None else self.place[rows],
        )

    def _in_order(self, mask: Bools) -> "Sample":
        """`at`, in the order of the whole, which is sorted once; worth it where the part is large."""
        part, kept = self.at(mask), self.order[np.flatnonzero(mask[self.order])]
        vars(part)["order"] = (np.cumsum(mask) - 1)[kept]  # where the cached property looks first
        return part


def missing_group(sample: Sample, where: str = "") -> str | None:
    """Why no metric can be computed, if the sample lacks members or non-members."""
    if sample.n_members and sample.n_nonmembers:
        return None
    return f"needs members and non-members{where}, got {sample.n_members} and {sample.n_nonmembers}"
