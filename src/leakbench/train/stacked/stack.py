"""K networks of one architecture, computed at once. A stack holds leaf tensors [K, ...]."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..networks.build import Network
from ..networks.headed import Headed, body_of
from ..networks.plain import CNN, MLP
from .layers import ApplyGradient, Convolution, Dropout, Flatten, Layer, Linear, ReLU, Surrogate


class Stack:
    """The parameters of K networks, one leaf [K, ...] for each name of their `state_dict`, and their layers."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.dropped: tuple[int, ...] = networks[0].dropped  # type: ignore[assignment]
        states = [network.state_dict() for network in networks]
        self.leaves = {
            name: torch.stack([state[name] for state in states]).contiguous() for name in states[0]
        }
        self.trained = {name for name, p in networks[0].named_parameters() if p.requires_grad}
        self.layers = _layers(networks[0], self.leaves)
        self._first = next(i for i, layer in enumerate(self.layers) if self.trained & {*layer.weights()})

    def parameters(self) -> dict[str, Tensor]:
        """The leaves that are trained, for an optimiser."""
        return {name: leaf for name, leaf in self.leaves.items() if name in self.trained}

    def keep(self, positions: list[int]) -> None:
        """Reduce the stack to the models at `positions`; the leaves are new ones."""
        self.leaves.update({name: leaf[positions] for name, leaf in self.leaves.items()})

    def weights(self, k: int) -> dict[str, Tensor]:
        """Model k's weights, as its module names and shapes them; to be copied from."""
        return {name: leaf[k] for name, leaf in self.leaves.items()}

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Logits [K, B, C] of records [K, B, ...]; masks [K, B, width] as in the module."""
        left = iter(masks or ())
        for layer in self.layers:
            if isinstance(layer, Dropout):
                layer.mask = next(left, None)
            x = layer.forward(x)
        self._computed = x.dtype
        return x

    def backward(self, gradient: Tensor, move: ApplyGradient) -> None:
        """Pass the gradient of every trained leaf to `move`, given that of the logits [K, B, C]."""
        gradient = gradient.to(self._computed)
        for i in reversed(range(self._first, len(self.layers))):
            before = self.layers[i].backward(gradient, move, onward=i > self._first)
            if before is not None:
                gradient = before
        for layer in self.layers:
            layer.kept = None  # frees the memory of the batch


def _layers(network: Network, leaves: dict[str, Tensor]) -> list[Layer]:
    """The layers of such networks, whose weights are among the leaves."""
    headed, body = isinstance(network, Headed), body_of(network)
    assert isinstance(body, MLP | CNN)
    prefix = "body." if headed else ""
    layers = _mlp(body, leaves, prefix) if isinstance(body, MLP) else _cnn(body, leaves, prefix)
    return [*layers, Surrogate(leaves, "surrogate")] if headed else layers


def _mlp(network: MLP, leaves: dict[str, Tensor], prefix: str) -> list[Layer]:
    layers: list[Layer] = [Flatten(leaves)]
    last = len(network.layers) - 1
    for i in range(last):
        layers += [Linear(leaves, f"{prefix}layers.{i}"), ReLU(leaves), Dropout(leaves)]
    return [*layers, Linear(leaves, f"{prefix}layers.{last}")]


def _cnn(network: CNN, leaves: dict[str, Tensor], prefix: str) -> list[Layer]:
    first, second = (Convolution(leaves, f"{prefix}{name}") for name in ("first", "second"))
    relu = [ReLU(leaves), ReLU(leaves)]
    return [
        first,
        relu[0],
        second,
        relu[1],
        Flatten(leaves),
        Dropout(leaves),
        Linear(leaves, f"{prefix}last"),
    ]
