"""The networks, as plain modules: what a stored model's weights load into.

A network's `forward` takes dropout masks instead of drawing them: they come from the model's own stream
(`draws.py`), so that a model trained alone and in a group drops the same units. Without masks it infers.
"""

import itertools
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ..errors import InputError
from .recipe import Architecture


class MLP(nn.Module):
    """Linear layers with ReLU between them, on flattened records [B, ...] -> logits [B, C]."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], classes: int) -> None:
        super().__init__()
        widths = (inputs, *hidden, classes)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.dropped = hidden  # how many units each dropout mask covers

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Logits [B, C]; `masks` are one [B, width] for each hidden layer, already divided by 1 - dropout."""
        x = x.flatten(1)
        for i, layer in enumerate(self.layers[:-1]):
            x = relu(layer(x))
            if masks is not None:
                x = x * masks[i]
        return self.layers[-1](x)


class CNN(nn.Module):
    """Two 3x3 convolutions of stride 2 with ReLU, then a linear layer: [B, c, h, w] -> logits [B, C]."""

    def __init__(self, shape: tuple[int, int, int], channels: tuple[int, int], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        first, second = channels
        self.first = nn.Conv2d(c, first, 3, stride=2, padding=1)
        self.second = nn.Conv2d(first, second, 3, stride=2, padding=1)
        features = second * math.ceil(h / 4) * math.ceil(w / 4)
        self.last = nn.Linear(features, classes)
        self.dropped = (features,)

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Logits [B, C]; `masks` is one mask [B, features] on what the linear layer reads."""
        x = relu(self.second(relu(self.first(x)))).flatten(1)
        if masks is not None:
            x = x * masks[0]
        return self.last(x)


Network = MLP | CNN


def unset(architecture: Architecture, shape: tuple[int, ...], classes: int) -> Network:
    """The network for records of `shape`, its weights to be set. Raises InputError for a CNN on tables."""
    if architecture.name == "cnn" and len(shape) != 3:
        raise InputError(
            "architecture 'cnn' needs images [channels, height, width], "
            f"got records of shape {list(shape)}; use 'mlp' for tables"
        )
    with torch.random.fork_rng(devices=[]):  # the layers' own initialisation draws from the global stream
        if architecture.name == "mlp":
            return MLP(math.prod(shape), architecture.hidden, classes)
        return CNN(shape, architecture.channels, classes)


@torch.no_grad()
def initialised(network: Network, generator: torch.Generator) -> Network:
    """Draw weights and biases from U(-b, b), b = 1 / sqrt(fan in): torch's default, from the given stream."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = 1.0 / math.sqrt(layer.weight[0].numel())
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
    return network


def loaded(
    architecture: Architecture, shape: tuple[int, ...], classes: int, weights: Mapping[str, np.ndarray]
) -> Network:
    """The network with stored weights, in inference mode.

    Raises InputError where the weights are not those of this architecture on such records and classes.
    """
    network = unset(architecture, shape, classes)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    if expected != given:
        wrong = sorted(n for n in expected.keys() | given.keys() if expected.get(n) != given.get(n))
        name = wrong[0]
        raise InputError(
            f"weights of {architecture.name!r} must have {name!r} of shape {expected.get(name)}, "
            f"got {given.get(name)}; were they trained with another architecture or other data?"
        )
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    return network.eval().requires_grad_(False)
