"""The size of a network, and its multiply-adds per prediction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

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


class _Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts flops as torch's FlopCounterMode, whose import of torch's compiler takes two seconds."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled."""
        return False

    def __torch_dispatch__(
        self, call: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        made = call(*args, **kwargs)
        flops: Callable[..., int] | None = flop_registry.get(call._overloadpacket)
        self.total += flops(*args, **kwargs, out_val=made) if flops else 0
        return made


@torch.no_grad()
def _multiply_adds(network: nn.Module, shape: tuple[int, ...]) -> int:
    training = network.training
    with _Flops() as counter:
        network.eval()(torch.zeros(1, *shape))
    network.train(training)
    return counter.total // 2  # type: ignore[no-any-return]  # a multiplication and an addition count as two
