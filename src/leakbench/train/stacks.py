"""K networks of one architecture, computed at once: batched matmul and grouped convolution.

A stack holds leaf tensors [K, ...]. Matrices are stored as batched matmul reads them: [K, in, out].
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from .architectures import MLP, Network


class Stack:
    """The parameters of K networks: one leaf [K, ...] for each name of their `state_dict`."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.dropped = networks[0].dropped
        states = [network.state_dict() for network in networks]
        self.leaves = {
            name: torch.stack([flipped(state[name]) for state in states]).requires_grad_()
            for name in states[0]
        }

    def parameters(self) -> list[Tensor]:
        """The leaves, for an optimiser."""
        return list(self.leaves.values())

    def keep(self, positions: list[int]) -> None:
        """Reduce the stack to the models at `positions`; the leaves are new ones."""
        self.leaves = {name: leaf.detach()[positions].requires_grad_() for name, leaf in self.leaves.items()}

    def weights(self, k: int) -> dict[str, Tensor]:
        """Model k's weights, as its module names and shapes them; to be copied from."""
        return {name: flipped(leaf.detach()[k]).contiguous() for name, leaf in self.leaves.items()}

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Logits [K, B, C] of records [K, B, ...]; masks [K, B, width] as in the module."""
        raise NotImplementedError

    def _linear(self, x: Tensor, layer: str) -> Tensor:
        """x [K, B, in] -> [K, B, out]."""
        return torch.baddbmm(self.leaves[f"{layer}.bias"][:, None], x, self.leaves[f"{layer}.weight"])


class MLPStack(Stack):
    """K `MLP`s."""

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Logits [K, B, C] of records [K, B, ...]."""
        x = x.flatten(2)
        depth = len(self.dropped)
        for i in range(depth):
            x = self._linear(x, f"layers.{i}").relu_()
            if masks is not None:
                x = x * masks[i]
        return self._linear(x, f"layers.{depth}")


class CNNStack(Stack):
    """K `CNN`s: their channels side by side, in groups."""

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Logits [K, B, C] of images [K, B, c, h, w]."""
        K, B = x.shape[:2]
        x = x.transpose(0, 1).flatten(1, 2)  # [B, K * c, h, w]
        x = self._convolution(self._convolution(x, "first", K).relu_(), "second", K).relu_()
        x = x.view(B, K, -1).transpose(0, 1)
        if masks is not None:
            x = x * masks[0]
        return self._linear(x, "last")

    def _convolution(self, x: Tensor, layer: str, K: int) -> Tensor:
        weight, bias = self.leaves[f"{layer}.weight"].flatten(0, 1), self.leaves[f"{layer}.bias"].flatten()
        return conv2d(x, weight, bias, stride=2, padding=1, groups=K)


def stacked(networks: Sequence[Network]) -> Stack:
    """The networks, all of one architecture, as a stack."""
    return MLPStack(networks) if isinstance(networks[0], MLP) else CNNStack(networks)


def flipped(value: Tensor) -> Tensor:
    """A matrix as a stack holds it, or back."""
    """A matrix as a stack holds it, or back."""
    return value.mT if value.ndim == 2 else value
