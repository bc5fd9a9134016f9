"""Which shadow models a record is compared with, when one of them plays target: their number must tell nothing."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..signals.models import Moments, Shadows
from ..signals.types import Bools
from ._shadow import inside_and_outside

BEYOND_CHANCE = 4.0  # standard deviations of the variance of a count


@dataclass(frozen=True, eq=False)
class References:
    r"""For each record the shadow models that it is compared with, and those that are left out with a pseudo-target.

    With pseudo-target k every model is left out whose membership is that of k or its complement. That makes the number
    of IN models of a record independent of k's membership if models are complementary pairs, or if their memberships
    are drawn independently. It does not if every record is IN exactly half of the models, which are no pairs: there k
    is a member where one IN model is missing. So memberships count as dependent if

        |var c - sum_g var c_g| > 4 sqrt(2 / N) sum_k p_k (1 - p_k),   c = the number of IN models of a record,
        c_g = that among the models of group g (a pair, or a model alone),  p_k = k's share of members

    and then each record keeps the same number of IN and of OUT models, drawn at random and matched in pairs, of
    which both are left out together. Neither the target nor its membership has a part in any of this.
    """

    shadows: Shadows
    pairs: (
        NDArray[np.intp] | None
    )  # [S, N]: with which model each is matched, -1 = not kept; None if all are kept

    @classmethod
    def of(cls, shadows: Shadows, rng: np.random.Generator) -> "References":
        """As the formula says."""
        references = cls(shadows, None)
        return cls(shadows, _matched(shadows.members, rng)) if references._depend else references

    @cached_property
    def members(self) -> Bools:
        """Membership of the shadow models [S, N]."""
        return self.shadows.members

    @property
    def kept(self) -> Bools:
        """Which shadow models a record is compared with [S, N]."""
        return np.ones_like(self.members) if self.pairs is None else self.pairs >= 0

    @property
    def enough(self) -> bool:
        """Whether records keep two models of each side, which a variance needs."""
        return self.pairs is None or bool((self.kept & self.members).sum(axis=0).max() > 1)

    def moments(self, statistic: str) -> tuple[Moments, Moments]:
        """The moments of a statistic over the IN and over the OUT models that each record is compared with.

        Raises InputError unless they are `enough`.
        """
        if self.pairs is None:
            return inside_and_outside(self.shadows, statistic)
        if not self.enough:
            raise InputError(
                "each record must be compared with two IN and two OUT models, got one of each, because the memberships "
                "of the shadow models depend on each other; draw them independently or in pairs, or add models"
            )
        values = list(self.shadows.statistic(statistic))
        return Moments.over(values, self.members & self.kept), Moments.over(values, ~self.members & self.kept)

    def left_out(self, s: int) -> Bools:
        """Which are left out where the s-th shadow model is the pseudo-target, itself among them [S, N]."""
        if self.pairs is None:
            return np.broadcast_to(self._telling[s][:, None], self.members.shape)
        models = np.arange(len(self.pairs))[:, None]
        return np.asarray((models == s) | (models == self.pairs[s]))

    @cached_property
    def examples(self) -> Bools:
        """Where a shadow model is an example to learn from: it is kept, and another OUT model is left [S, N]."""
        outside = self.kept & ~self.members
        left = [(outside & ~self.left_out(s)).any(axis=0) for s in range(len(self.members))]
        return np.asarray(self.shadows.audited & self.kept & np.stack(left))

    @property
    def teach(self) -> bool:
        """Whether there are members and non-members to learn from."""
        return all((self.examples & side).sum() > 1 for side in (self.members, ~self.members))

    @cached_property
    def _telling(self) -> Bools:
        """Which shadow models tell the membership of which [S, S], themselves included."""
        indices = self.shadows.indices
        return self.shadows.models.telling_each_other[np.ix_(indices, indices)]

    @property
    def _depend(self) -> bool:
        count = self.members.sum(axis=0, dtype=np.int16)
        varied = (count > 0) & (count < len(self.members))
        if not varied.any():
            return False
        inside, count = (self.members, count) if varied.all() else (self.members[:, varied], count[varied])
        share = inside.sum(axis=1) / count.size
        own = share * (1 - share)  # the variance of each model's part of the count
        alone = self._telling.sum(axis=1) == 1
        groups = {row.tobytes(): np.flatnonzero(row) for row in self._telling[~alone]}.values()
        independent = own[alone].sum() + sum(
            float(inside[g].sum(axis=0, dtype=np.int16).var()) for g in groups
        )
        return bool(abs(count.var() - independent) > BEYOND_CHANCE * np.sqrt(2 / count.size) * own.sum())


def _matched(members: Bools, rng: np.random.Generator) -> NDArray[np.intp]:
    """For each record as many pairs of an IN and an OUT model as every record that has both can have [S, N]."""
    inside, outside = members.sum(axis=0), (~members).sum(axis=0)
    fewer = np.minimum(inside, outside)
    drawn, records = rng.random(members.shape), np.arange(members.shape[1])
    pairs = np.full(members.shape, -1, dtype=np.intp)
    first, second = (np.argsort(drawn + side, axis=0) for side in (~members, members))
    for i, o in zip(first[: (n := fewer[fewer > 0].min())], second[:n], strict=True):
        pairs[i, records], pairs[o, records] = o, i
    return np.where(fewer > 0, pairs, -1)
