"""How large a network is, and what an answer of it costs."""

from dataclasses import dataclass

import torch
from safetensors.torch import save
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .networks.headed import body_of


@dataclass(frozen=True)
class Layer:
    """One convolution or linear layer, without its bias."""

    name: str
    kind: str  # "Conv2d" or "Linear"
    weights: int
    zeros: int


@dataclass(frozen=True)
class Sizes:
    """The size of a network."""

    parameters: int
    nonzero: int  # parameters that are not zero
    multiply_adds: int  # of convolutions and linear layers, for one record
    bytes: int  # of the state as a safetensors file
    layers: tuple[Layer, ...]  # a surrogate head's left aside


def sizes(network: nn.Module, shape: tuple[int, ...]) -> Sizes:
    """The size of `network`, which takes records of `shape`."""
    parameters = list(network.parameters())
    return Sizes(
        parameters=sum(p.numel() for p in parameters),
        nonzero=sum(int(p.count_nonzero()) for p in parameters),
        multiply_adds=_multiply_adds(network, shape),
        bytes=len(save({name: value.contiguous() for name, value in network.state_dict().items()})),
        layers=tuple(
            Layer(name, kind.__name__, m.weight.numel(), int((m.weight == 0).sum()))
            for name, m in body_of(network).named_modules()
            for kind in (nn.Conv2d, nn.Linear)
            if isinstance(m, kind)
        ),
    )


@torch.no_grad()
def _multiply_adds(network: nn.Module, shape: tuple[int, ...]) -> int:
    training = network.training
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, *shape))
    network.train(training)
    return counter.get_total_flops() // 2  # it counts a multiplication and an addition as two
