"""The random streams of one stage of one model: the order of records, dropout masks, augmentation.

Each stream is derived from the seed of the model, and is drawn batch by batch in the same sizes, whether the model is
trained alone or in a group. Therefore grouping changes results only by floating-point rounding.
"""

from functools import cached_property

import torch
from torch import Tensor

from ..core.seeds import derive, stream
from .recipe.settings import Augment


def generator(seed: int, *names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch stream from a seed and names."""
    return torch.Generator(device).manual_seed(derive(seed, *names))


class ModelStreams:
    """The streams of stage number `stage` of the model with `seed`.

    Numbers are drawn on the CPU and moved to `device`, so that a seed gives the same numbers on every device. Noise of
    the size of the weights is drawn on `device`.
    """

    def __init__(self, seed: int, stage: int, device: torch.device | str = "cpu") -> None:
        self._seed, self._stage, self._device = seed, stage, torch.device(device)
        self._order = generator(seed, stage, "order")
        self._dropout = generator(seed, stage, "dropout")
        self._augment = generator(seed, stage, "augment")
        self._reference = generator(seed, stage, "reference")
        self._mixup = stream(seed, stage, "mixup")

    @cached_property
    def noise(self) -> torch.Generator:
        """The stream of noise of the size of the weights."""
        return generator(self._seed, self._stage, "noise", device=self._device)

    def order(self, n: int) -> Tensor:
        """A permutation of 0 .. n - 1: the order of an epoch."""
        return torch.randperm(n, generator=self._order).to(self._device)

    def poisson(self, n: int, share: float) -> Tensor:
        """A Poisson batch: each of 0 .. n - 1 is in it with probability `share`."""
        return torch.nonzero(torch.rand(n, generator=self._order) < share)[:, 0].to(self._device)

    def reference(self, n: int, batch: int) -> Tensor:
        """`batch` of 0 .. n - 1, with replacement: the reference records of a step of an adversary."""
        return torch.randint(n, (batch,), generator=self._reference).to(self._device)

    def uniform(self, batch: int, units: int) -> Tensor:
        """Uniform numbers [B, units] for dropout: a unit is kept where its number is at least the dropout rate."""
        return torch.rand(batch, units, generator=self._dropout).to(self._device)

    def mixup(self, batch: int, a: float) -> tuple[float, Tensor]:
        """The share of its own that each record of a batch keeps, and its partners [B]."""
        partners = torch.from_numpy(self._mixup.permutation(batch))
        return self._mixup.beta(a, a), partners.to(self._device)

    def moves(self, batch: int, augment: Augment) -> Tensor:
        """Shift right, shift down, and whether to flip first: int64 [B, 3]."""
        s = augment.shift
        shifts = torch.randint(-s, s + 1, (batch, 2), generator=self._augment)
        flips = torch.randint(0, 1 + augment.flip, (batch, 1), generator=self._augment)
        return torch.cat([shifts, flips], dim=1).to(self._device)
