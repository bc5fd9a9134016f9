"""DP-SGD on a stack of models: ghost clipping, which finds the norm of a gradient without the gradient."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from ..loop import loss_and_gradient
from ..model import Model
from ..private import TINY, batches_an_epoch
from ..stage_data import StageData
from .products import OfLeaf
from .stage import Batch, StackedStage, filled_up

ROWS = 16  # a batch is filled up to a multiple of them, at least one: products of very few rows round differently


class PrivateStage(StackedStage):
    r"""g = (sum_i g_i min(1, clip / |g_i|) + N(0, (noise clip)^2)) / (expected batch), as `PrivateLearner`.

    A layer that reads x and has the gradient d in its outputs has d x^T in its weights, so |d|^2 |x|^2 is its part of
    |g_i|^2, and the clipped sum is one product, of the scaled d with x.

    Source: Goodfellow 2015, arXiv 1510.01799; Bu et al. 2023, arXiv 2210.00038 (book-keeping).
    """

    def __init__(self, models: Sequence[Model], material: StageData, number: int) -> None:
        super().__init__(models, material, number)
        n = self.rows.shape[1]
        self.share = min(1.0, self.stage.batch_size / n)
        # the clipped norm must be that of the gradient that is added
        self.engine = replace(self.engine, precision="float32")
        self.noisy = {name: torch.empty_like(leaf) for name, leaf in self.stack.parameters().items()}

    def batches(self) -> Iterator[Batch]:
        """The batches of an epoch; each holds each record with the same probability, and may be empty."""
        n = self.rows.shape[1]
        for _ in range(batches_an_epoch(n, self.stage)):
            own = [self.draws[k].poisson(n, self.share) for k in self.live]
            most = max(map(len, own))
            numbers = filled_up(own, most + ROWS - most % ROWS)
            rows = self.rows.gather(1, numbers)
            yield Batch(numbers, rows, self.material.y[rows], [len(each) for each in own])

    def step(self, batch: Batch, lr: float, epoch: int, costs: Tensor | None) -> Tensor:
        """One step on the clipped and noisy gradient: of an empty batch, on the noise alone."""
        assert self.stage.privacy is not None
        L, B = batch.rows.shape
        logits, labels = self.logits(batch).flatten(0, 1)[:, None], batch.labels.view(-1, 1)
        losses, slope, _ = loss_and_gradient(self.stage, logits, labels, labels, epoch)  # of each record
        real = (
            torch.arange(B, device=labels.device) < torch.tensor(batch.sizes, device=labels.device)[:, None]
        )
        gradients: dict[str, OfLeaf] = {}
        self.stack.backward(slope.view(L, B, -1).mul_(real[..., None]), gradients.__setitem__)
        norms = reduce(torch.add, (each.squares(B) for each in gradients.values())).sqrt()
        privacy, expected = self.stage.privacy, self.share * self.rows.shape[1]
        scale = (privacy.clip / (norms + TINY)).clamp(max=1.0) / expected
        self._draw_noise(privacy.noise * privacy.clip / expected)
        self.optimiser.begin(lr)
        for name, gradient in gradients.items():
            gradient.join_scaled(self.noisy[name], scale, batch.sizes)
            self.move(name, self.noisy[name])
        return losses.view(L, B).mul(real).sum(dim=1)

    def keep(self, positions: list[int]) -> None:
        """Go on with the live models at `positions` alone."""
        super().keep(positions)
        self.noisy = {name: noisy[: len(positions)] for name, noisy in self.noisy.items()}

    def _draw_noise(self, sd: float) -> None:
        """Fill `noisy` with each model's own noise, in the order of its parameters."""
        for i, k in enumerate(self.live):
            for noisy in self.noisy.values():
                noisy[i].normal_(0.0, sd, generator=self.draws[k].noise)
