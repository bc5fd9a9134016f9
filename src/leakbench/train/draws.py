"""Everything random in one stage of one model: the order of records, dropout masks, augmentation.

Each has its own stream, derived from the model's seed, and is drawn batch by batch in the same sizes whether
the model is trained alone or in a group: that is why grouping changes nothing beyond floating point.
"""

import torch
from torch import Tensor

from ..seeds import derive, stream
from .settings import Augment


def generator(seed: int, *names: object) -> torch.Generator:
    """A torch stream from a seed and names."""
    return torch.Generator().manual_seed(derive(seed, *names))


class Draws:
    """The streams of stage number `stage` of the model with `seed`."""

    def __init__(self, seed: int, stage: int) -> None:
        self._order = generator(seed, stage, "order")
        self._dropout = generator(seed, stage, "dropout")
        self._augment = generator(seed, stage, "augment")
        self._reference = generator(seed, stage, "reference")
        self._mixup = stream(seed, stage, "mixup")
        self.noise = generator(seed, stage, "noise")

    def order(self, n: int) -> Tensor:
        """A permutation of 0 .. n - 1: the order of an epoch."""
        return torch.randperm(n, generator=self._order)

    def poisson(self, n: int, share: float) -> Tensor:
        """Those of 0 .. n - 1 that a batch holds if each is in it with probability `share`."""
        return torch.nonzero(torch.rand(n, generator=self._order) < share)[:, 0]

    def reference(self, n: int, batch: int) -> Tensor:
        """`batch` of 0 .. n - 1, with replacement: the reference records of a step of an adversary."""
        return torch.randint(n, (batch,), generator=self._reference)

    def uniform(self, batch: int, units: int) -> Tensor:
        """What decides on dropout, uniform [B, units]: a unit is kept where it reaches the dropout rate."""
        return torch.rand(batch, units, generator=self._dropout)

    def mixup(self, batch: int, a: float) -> tuple[float, Tensor]:
        """The share of its own that each record of a batch keeps, and who the rest comes from: [B]."""
        return self._mixup.beta(a, a), torch.from_numpy(self._mixup.permutation(batch))

    def moves(self, batch: int, augment: Augment) -> Tensor:
        """Shift right, shift down, and whether to flip first: int64 [B, 3]."""
        s = augment.shift
        shifts = torch.randint(-s, s + 1, (batch, 2), generator=self._augment)
        flips = torch.randint(0, 1 + augment.flip, (batch, 1), generator=self._augment)
        return torch.cat([shifts, flips], dim=1)
