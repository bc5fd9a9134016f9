"""The small networks, which can also be trained stacked.

Their `forward` takes dropout masks instead of drawing them. The masks come from the model's own stream
(`random_streams.py`), so that a model drops the same units alone and in a group. Without masks there is no dropout.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class MLP(nn.Module):
    """Linear layers with ReLU between them, on flattened records [B, ...] -> logits [B, C]."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], classes: int) -> None:
        super().__init__()
        widths = (inputs, *hidden, classes)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))

    @property
    def dropped(self) -> tuple[int, ...]:
        """The number of units under each dropout mask."""
        return tuple(layer.out_features for layer in self.layers[:-1])  # type: ignore[misc]

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Logits [B, C]; `masks` are one [B, width] for each hidden layer, already divided by 1 - dropout."""
        x = x.flatten(1)
        for i, layer in enumerate(self.layers[:-1]):
            x = relu(layer(x))
            if masks is not None:
                x = x * masks[i]
        return self.layers[-1](x)  # type: ignore[no-any-return]


class CNN(nn.Module):
    """Two 3x3 convolutions of stride 2 with ReLU, then a linear layer: [B, c, h, w] -> logits [B, C]."""

    def __init__(self, shape: tuple[int, ...], channels: tuple[int, int], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        first, second = channels
        self.first = nn.Conv2d(c, first, 3, stride=2, padding=1)
        self.second = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.last = nn.Linear(second * math.ceil(h / 4) * math.ceil(w / 4), classes)

    @property
    def dropped(self) -> tuple[int, ...]:
        """The number of units under the dropout mask."""
        return (self.last.in_features,)

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] | None = None) -> Tensor:
        """Logits [B, C]; `masks` is one mask [B, features] on what the linear layer reads."""
        x = relu(self.second(relu(self.first(x))))
        if x.requires_grad and not (x.is_contiguous() or torch.compiler.is_compiling()):
            x.register_hook(_channels_last)  # type: ignore[no-untyped-call]
        x = x.flatten(1)
        if masks is not None:
            x = x * masks[0]
        return self.last(x)  # type: ignore[no-any-return]


def _channels_last(gradient: Tensor) -> Tensor:
    """The gradient in the layout of its tensor: the gradient of ReLU is slow with two layouts."""
    return gradient.contiguous(memory_format=torch.channels_last)
