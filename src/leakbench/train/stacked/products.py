"""Products of K pairs of matrices in a stack's linear layers, which take one call of BLAS."""

from dataclasses import dataclass

import torch
from torch import Tensor


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x weight^T + bias [K, B, out] of x [K, B, in], weight [K, out, in] and bias [K, out]."""
    return torch.baddbmm(bias[:, None], x, weight.mT)


@dataclass(frozen=True, eq=False)
class Product:
    """The gradient g^T x [K, out, in] of a weight, from those of its layer's outputs, not multiplied yet."""

    outputs: Tensor  # g [K, B, out]
    x: Tensor  # [K, B, in], what the layer read

    def value(self) -> Tensor:
        """The gradient."""
        return torch.bmm(self.outputs.mT, self.x)

    def join(self, total: Tensor, keep: float) -> None:
        """total [K, out, in, ...] <- keep total + g^T x, in float32 without a pass over memory of its own."""
        if self.outputs.dtype == total.dtype:
            total.flatten(2).baddbmm_(self.outputs.mT, self.x, beta=keep)
        else:
            total.flatten(2).mul_(keep).add_(self.value())

    def squares(self, B: int) -> Tensor:
        """The squared norms of the gradients of B records [K, B], of which each has P of the rows.

        |sum_p g_p x_p^T|^2 = sum_pq (g_p g_q) (x_p x_q), or from the sum itself where that is smaller
        """
        K = len(self.x)
        g, x = (each.reshape(K, B, -1, each.shape[-1]) for each in (self.outputs, self.x))  # [K, B, P, ...]
        P, out, read = g.shape[2], g.shape[3], x.shape[3]
        if P == 1:
            return g.square().sum(dim=(2, 3)) * x.square().sum(dim=(2, 3))
        if P * (out + read) < out * read:
            return ((g @ g.mT) * (x @ x.mT)).sum(dim=(2, 3))
        return (g.mT @ x).square().sum(dim=(2, 3))

    def join_scaled(self, totals: Tensor, scale: Tensor, sizes: list[int]) -> None:
        """totals[k] += sum of s_b g_b x_b^T over the first sizes[k] of B records, with scale s [K, B].

        The product is each model's own, since the rounding of a sum depends on the number of its terms.
        """
        P = self.outputs.shape[1] // scale.shape[1]
        scaled = self.outputs * scale.repeat_interleave(P, dim=1)[..., None]
        for total, g, x, size in zip(totals.flatten(2), scaled, self.x, sizes, strict=True):
            total.addmm_(g[: size * P].mT, x[: size * P])


@dataclass(frozen=True, eq=False)
class Total:
    """The gradient of a bias, the sum over rows of that of its layer's outputs, not added up yet."""

    outputs: Tensor  # [K, B, out]

    def value(self) -> Tensor:
        """The gradient [K, out]."""
        return self.outputs.sum(dim=1)

    def squares(self, B: int) -> Tensor:
        """As of a product."""
        K, _, out = self.outputs.shape
        return self.outputs.reshape(K, B, -1, out).sum(dim=2).square().sum(dim=2)

    def join_scaled(self, totals: Tensor, scale: Tensor, sizes: list[int]) -> None:
        """As of a product."""
        P = self.outputs.shape[1] // scale.shape[1]
        scaled = self.outputs * scale.repeat_interleave(P, dim=1)[..., None]
        for total, g, size in zip(totals, scaled, sizes, strict=True):
            total += g[: size * P].sum(dim=0)


OfLeaf = Product | Total  # what the backward pass of a layer gives
Gradient = Tensor | OfLeaf


def value(gradient: Gradient, leaf: Tensor) -> Tensor:
    """The gradient of a leaf, in its shape."""
    return gradient if isinstance(gradient, Tensor) else gradient.value().view_as(leaf).to(leaf.dtype)
