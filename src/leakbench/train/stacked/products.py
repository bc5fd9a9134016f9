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
        """total [K, out, in, ...] <- keep total + g^T x, which takes no pass over memory of its own."""
        total.flatten(2).baddbmm_(self.outputs.mT, self.x, beta=keep)


Gradient = Tensor | Product


def value(gradient: Gradient, leaf: Tensor) -> Tensor:
    """The gradient of a leaf, in its shape."""
    return gradient.value().view_as(leaf) if isinstance(gradient, Product) else gradient
