"""Builds networks from an architecture, and from stored weights.

A network takes records [B, ...] and returns logits [B, C]. A network with an attribute `dropped` takes dropout masks as
a second argument; others are ordinary modules, with modes for training and inference.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import InputError
from ..recipe import TORCHVISION, Architecture
from .custom import custom
from .headed import headed_like
from .mean_softmax import EnsembleNetwork, MonteCarloNetwork, parts_of_ensemble, parts_of_monte_carlo
from .norms import with_group_norm
from .plain import CNN, MLP
from .resnet9 import resnet9
from .small_images import small_image_network
from .stored import NORMS, fit_shapes, mismatch, shapes
from .wrn import wrn

VALUES_IN_PART, FEWEST_IN_PART = 200_000, 64  # of images that are convolved at once, measured
Network = nn.Module
Builder = Callable[[Architecture, tuple[int, ...], int], Network]


def _mlp(a: Architecture, shape: tuple[int, ...], classes: int) -> Network:
    return MLP(math.prod(shape), a.hidden, classes)


def _small_images(a: Architecture, shape: tuple[int, ...], classes: int) -> Network:
    return small_image_network(a.name, shape[0], classes)


def _custom(a: Architecture, shape: tuple[int, ...], classes: int) -> Network:
    assert a.factory is not None
    return custom(a.factory, shape, classes)


BUILDERS: dict[str, Builder] = {
    "mlp": _mlp,
    "column_fc": _mlp,
    "cnn": lambda a, shape, classes: CNN(shape, a.channels, classes),
    "resnet9": lambda a, shape, classes: resnet9(shape[0], classes),
    "wrn": lambda a, shape, classes: wrn(shape[0], classes, a.depth, a.width),
    **dict.fromkeys(TORCHVISION, _small_images),
    "custom": _custom,
}


def unset(architecture: Architecture, shape: tuple[int, ...], classes: int, seed: int = 0) -> Network:
    """The network for records of `shape`, with weights that are still to be set; `seed` is that of a factory.

    Raises InputError if the architecture does not fit the records: tables, or images that are too small.
    """
    if len(shape) != 3 and architecture.name not in ("mlp", "column_fc", "custom"):
        raise InputError(
            f"architecture {architecture.name!r} needs images [channels, height, width], "
            f"got records of shape {list(shape)}; use 'mlp' for tables"
        )
    with torch.random.fork_rng(devices=[]):  # the layers' own initialisation draws from the global stream
        torch.default_generator.manual_seed(seed)
        try:
            network = BUILDERS[architecture.name](architecture, shape, classes)
        except (RuntimeError, OverflowError) as error:
            raise InputError(
                f"architecture {architecture.name!r} must fit into memory, got: {str(error).splitlines()[0]}; "
                "make its layers narrower"
            ) from None
        if architecture.norm == "group":
            with_group_norm(network)
        if problem := _problem(network, shape, classes):
            remedy = (
                "change the factory" if architecture.factory else "take larger images or another architecture"
            )
            raise InputError(
                f"architecture {architecture.factory or architecture.name!r} must take 2 records of shape "
                f"{list(shape)} and return logits [2, {classes}], got {problem}; {remedy}"
            )
    return network


@torch.no_grad()
def _problem(network: Network, shape: tuple[int, ...], classes: int) -> str | None:
    """The problem of the network with two records; None if there is none."""
    training = network.training
    network.eval()
    try:
        logits = network(torch.zeros(2, *shape))
    except Exception as error:  # a factory's network may raise anything
        return f"{type(error).__name__}: {error}".splitlines()[0]
    network.train(training)
    if not isinstance(logits, Tensor):
        return type(logits).__name__
    return None if logits.shape == (2, classes) else str(list(logits.shape))


@torch.no_grad()
def initialised(network: Network, generator: torch.Generator) -> Network:
    """Draw weights and biases from U(-b, b), b = 1 / sqrt(fan in): torch's default, from the given stream.

    Normalising layers start at scale 1 and shift 0. A network from a factory is not changed, because it
    may have been trained before.
    """
    if getattr(network, "from_factory", False):
        return network
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = 1.0 / math.sqrt(layer.weight[0].numel())
            for parameter in layer.parameters(recurse=False):
                parameter.uniform_(-bound, bound, generator=generator)
        elif isinstance(layer, nn.GroupNorm | NORMS):
            layer.reset_parameters()
    return network


def laid_out(network: Network) -> Network:
    """The network with its filters in the fastest memory layout: channels last.

    A factory's network is not changed, because it may depend on the layout of its records.
    """
    made = any(
        getattr(part, "from_factory", False) for part in network.modules()
    )  # in an ensemble, under a head
    return network if made else network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def answers(network: Network, records: Tensor) -> Tensor:
    """Logits [n, C] of records [n, ...]. On a CPU images are convolved in parts that its cache can hold.

    The parts change no bit, and make queries up to three times as fast.
    """
    if records.device.type != "cpu" or not any(isinstance(part, nn.Conv2d) for part in network.modules()):
        return network(records)  # type: ignore[no-any-return]
    size = max(FEWEST_IN_PART, VALUES_IN_PART // records[0].numel())
    return torch.cat([network(part) for part in torch.split(records, size)])


def loaded(
    architecture: Architecture,
    shape: tuple[int, ...],
    classes: int,
    weights: Mapping[str, np.ndarray] | Network,
) -> Network:
    """The network with stored weights, in inference mode. Pruned channels and a surrogate head follow from them.

    A network in the place of weights is returned as it is.

    The names of the weights show whether they are those of an ensemble, or of a network with Monte Carlo masks.
    Raises InputError if the weights are not those of this architecture on such records and classes.
    """

    if isinstance(weights, Network):
        return weights

    def single(own: Mapping[str, np.ndarray]) -> Network:
        return _filled(headed_like(unset(architecture, shape, classes), classes, own), shape, classes, own)

    network = unset(architecture, shape, classes)
    several = network.state_dict().keys() != weights.keys()
    if several and (ensemble := parts_of_ensemble(weights)):
        network = EnsembleNetwork([single(own) for own in ensemble])
    elif several and (sampled := parts_of_monte_carlo(weights)):
        own, kept = sampled
        network = MonteCarloNetwork(single(own), torch.tensor(kept), architecture.dropout or 0.0)
    else:
        network = _filled(headed_like(network, classes, weights), shape, classes, weights)
    return laid_out(network).eval().requires_grad_(False)


def _filled(
    network: Network, shape: tuple[int, ...], classes: int, weights: Mapping[str, np.ndarray]
) -> Network:
    """`network` with stored weights, narrowed to them."""
    expected, given = shapes(network.state_dict()), shapes(weights)
    fit_shapes(network, weights)
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    if expected != given and _problem(network, shape, classes):
        raise mismatch(expected, given, [name for name in expected if expected[name] != given[name]])
    return network
