"""K networks of one architecture, computed at once. A stack holds leaf tensors [K, ...]."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import unfold

from .architectures import MLP, Network
from .networks.headed import SQUARE, Headed, body_of
from .products import Mover, linear


class Stack:
    """The parameters of K networks: one leaf [K, ...] for each name of their `state_dict`."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.dropped = networks[0].dropped
        self.depth = len(body_of(networks[0]).dropped)
        self.headed = isinstance(networks[0], Headed)
        self.prefix = "body." if self.headed else ""
        states = [network.state_dict() for network in networks]
        trained = {name: p.requires_grad for name, p in networks[0].named_parameters()}
        self.movers: dict[str, Mover] = {}  # where gradients of wide layers go, see `products`
        self.leaves = {
            name: torch.stack([state[name] for state in states]).contiguous().requires_grad_(trained[name])
            for name in states[0]
        }

    def parameters(self) -> dict[str, Tensor]:
        """The leaves that are trained, for an optimiser."""
        return {name: leaf for name, leaf in self.leaves.items() if leaf.requires_grad}

    def keep(self, positions: list[int]) -> None:
        """Reduce the stack to the models at `positions`; the leaves are new ones."""
        self.leaves = {
            name: leaf.detach()[positions].requires_grad_(leaf.requires_grad)
            for name, leaf in self.leaves.items()
        }

    def weights(self, k: int) -> dict[str, Tensor]:
        """Model k's weights, as its module names and shapes them; to be copied from."""
        return {name: leaf.detach()[k] for name, leaf in self.leaves.items()}

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Answers [K, B, C] to records [K, B, ...]; masks [K, B, width] as in the module."""
        z = self.logits(x, masks or None)
        if not self.headed:
            return z
        head = self._linear(z, "surrogate.linear")
        return head + torch.bmm(z * z, self.leaves[SQUARE].mT) if SQUARE in self.leaves else head

    def logits(self, x: Tensor, masks: tuple[Tensor, ...] | None) -> Tensor:
        """Logits [K, B, C], which a surrogate head may read."""
        raise NotImplementedError

    def _linear(self, x: Tensor, layer: str, relu: bool = False) -> Tensor:
        """x [K, B, in] -> [K, B, out]."""
        weight = f"{layer}.weight"
        return linear(x, self.leaves[weight], self.leaves[f"{layer}.bias"], relu, self.movers.get(weight))


class MLPStack(Stack):
    """K `MLP`s."""

    def logits(self, x: Tensor, masks: tuple[Tensor, ...] | None) -> Tensor:
        """Logits [K, B, C] of records [K, B, ...]."""
        x = x.flatten(2)
        for i in range(self.depth):
            x = self._linear(x, f"{self.prefix}layers.{i}", relu=True)
            if masks is not None:
                x = x * masks[i]
        return self._linear(x, f"{self.prefix}layers.{self.depth}")


class CNNStack(Stack):
    """K `CNN`s, whose convolutions are products with the 3 x 3 patches of the images.

    A convolution in groups would round differently with another K; a product of matrices does not.
    """

    def logits(self, x: Tensor, masks: tuple[Tensor, ...] | None) -> Tensor:
        """Logits [K, B, C] of images [K, B, c, h, w]."""
        x = self._convolution(self._convolution(x, "first").relu_(), "second").relu_()
        x = x.flatten(2)
        if masks is not None:
            x = x * masks[0]
        return self._linear(x, f"{self.prefix}last")

    def _convolution(self, x: Tensor, layer: str) -> Tensor:
        """Images [K, B, c, h, w] -> [K, B, out, h', w']."""
        K, B, _, h, w = x.shape
        name = f"{self.prefix}{layer}"
        patches = unfold(x.flatten(0, 1), 3, padding=1, stride=2)  # [K * B, c * 9, h' * w']
        patches = patches.unflatten(0, (K, B)).transpose(2, 3).flatten(1, 2)  # [K, B * h' * w', c * 9]
        weight, bias = self.leaves[f"{name}.weight"].flatten(2), self.leaves[f"{name}.bias"]
        out = torch.baddbmm(bias[:, None], patches, weight.mT)  # [K, B * h' * w', out]
        size = (math.ceil(h / 2), math.ceil(w / 2))
        return out.unflatten(1, (B, -1)).transpose(2, 3).unflatten(3, size)


def stacked(networks: Sequence[Network]) -> Stack:
    """The networks, all of one architecture, as a stack."""
    return MLPStack(networks) if isinstance(body_of(networks[0]), MLP) else CNNStack(networks)
