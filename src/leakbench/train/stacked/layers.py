"""The layers of K networks at once, forward and backward.

The backward passes are written out, because autograd's bookkeeping takes longer than the products of a small network.
It would also hide from the optimiser that the gradient of a weight is a product, which can be added to the momentum as
it is multiplied (see `products`).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import fold, unfold

from .products import OfLeaf, Product, Total, linear

ApplyGradient = Callable[
    [str, OfLeaf], None
]  # takes the name of a leaf and its gradient, and may change the leaf
KERNEL, STRIDE = {"kernel_size": 3, "padding": 1}, 2  # of the convolutions of `networks.plain.CNN`


class Layer:
    """One layer of K networks, whose weights are among `leaves`; `kept` is what `backward` needs of `forward`."""

    kept: Any = None

    def __init__(self, leaves: Mapping[str, Tensor], name: str = "") -> None:
        self.leaves, self.name = leaves, name

    def weights(self) -> list[str]:
        """The names of its leaves."""
        return [name for name in self.leaves if name.startswith(f"{self.name}.")] if self.name else []

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [K, B, ...] from inputs x [K, B, ...]."""
        raise NotImplementedError

    def backward(self, gradient: Tensor, move: ApplyGradient, onward: bool) -> Tensor | None:
        """Pass the gradients of its leaves to `move`, given that of its outputs. Returns that of x if `onward`."""
        raise NotImplementedError


class Linear(Layer):
    """x W^T + b."""

    def forward(self, x: Tensor) -> Tensor:
        """[K, B, in] -> [K, B, out]."""
        self.kept = x
        return linear(x, self.leaves[f"{self.name}.weight"], self.leaves[f"{self.name}.bias"])

    def backward(self, gradient: Tensor, move: ApplyGradient, onward: bool) -> Tensor | None:
        """dx = g W;  dW = g^T x;  db = sum over the batch of g."""
        before = torch.bmm(gradient, self.leaves[f"{self.name}.weight"]) if onward else None
        move(f"{self.name}.weight", Product(gradient, self.kept))
        move(f"{self.name}.bias", Total(gradient))
        return before


class Surrogate(Layer):
    """W1 z + b, and with a second degree W2 z^2, in the place of logits z; see `networks.headed`."""

    def __init__(self, leaves: Mapping[str, Tensor], name: str) -> None:
        super().__init__(leaves, name)
        self.linear, self.square = Linear(leaves, f"{name}.linear"), f"{name}.square.weight"

    def forward(self, z: Tensor) -> Tensor:
        """[K, B, C] -> [K, B, C]."""
        self.kept = z
        head = self.linear.forward(z)
        return head.baddbmm_(z * z, self.leaves[self.square].mT) if self.square in self.leaves else head

    def backward(self, gradient: Tensor, move: ApplyGradient, onward: bool) -> Tensor | None:
        """dz = g W1 + 2 z g W2."""
        z, squared = self.kept, None
        if self.square in self.leaves:
            squared = torch.bmm(gradient, self.leaves[self.square]).mul_(z).mul_(2.0) if onward else None
            move(self.square, Product(gradient, z * z))
        before = self.linear.backward(gradient, move, onward)
        return before if before is None or squared is None else before.add_(squared)


class Convolution(Layer):
    """A convolution of 3 x 3 and stride 2, as a product with the patches of the images.

    A convolution in groups would round differently with another K; a product of matrices does not.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Images [K, B, c, h, w] -> [K, B, out, h', w']."""
        K, B, _, h, w = x.shape
        patches = unfold(x.flatten(0, 1), stride=STRIDE, **KERNEL)  # [K * B, c * 9, h' * w']
        patches = patches.view(K, B, *patches.shape[1:]).mT.flatten(1, 2)  # [K, B * h' * w', c * 9]
        self.kept = patches, x.shape
        out = linear(patches, self._weight(), self.leaves[f"{self.name}.bias"])  # [K, B * h' * w', out]
        size = (math.ceil(h / STRIDE), math.ceil(w / STRIDE))
        return out.view(K, B, *size, -1).permute(0, 1, 4, 2, 3).contiguous()

    def backward(self, gradient: Tensor, move: ApplyGradient, onward: bool) -> Tensor | None:
        """As for a linear layer; the gradient of a pixel is the sum over the patches that it is in."""
        patches, (K, B, c, h, w) = self.kept
        gradient = gradient.flatten(3).transpose(2, 3).flatten(1, 2)  # [K, B * h' * w', out]
        before = None
        if onward:
            of_patches = torch.bmm(gradient, self._weight()).view(K * B, -1, c * 9).mT
            before = fold(of_patches, (h, w), stride=STRIDE, **KERNEL).view(K, B, c, h, w)
        move(f"{self.name}.weight", Product(gradient, patches))
        move(f"{self.name}.bias", Total(gradient))
        return before

    def _weight(self) -> Tensor:
        return self.leaves[f"{self.name}.weight"].flatten(2)


class ReLU(Layer):
    """max(x, 0), in place."""

    def forward(self, x: Tensor) -> Tensor:
        """[K, B, ...] -> [K, B, ...]."""
        self.kept = x.relu_()
        return x

    def backward(self, gradient: Tensor, move: ApplyGradient, onward: bool) -> Tensor | None:
        """dx = g where the output is above 0."""
        return torch.ops.aten.threshold_backward(gradient, self.kept, 0.0)  # type: ignore[no-any-return]


class Flatten(Layer):
    """Each record as a vector."""

    def forward(self, x: Tensor) -> Tensor:
        """[K, B, ...] -> [K, B, n]."""
        self.kept = x.shape
        return x.flatten(2)

    def backward(self, gradient: Tensor, move: ApplyGradient, onward: bool) -> Tensor | None:
        """In the shape of x."""
        return gradient.view(self.kept)


class Dropout(Layer):
    """m x, with masks m that are set from outside before each pass; None lets all through."""

    mask: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[K, B, width] -> [K, B, width]."""
        return x if self.mask is None else (x * self.mask).to(x.dtype)

    def backward(self, gradient: Tensor, move: ApplyGradient, onward: bool) -> Tensor | None:
        """dx = m g."""
        return gradient if self.mask is None else (gradient * self.mask).to(gradient.dtype)
