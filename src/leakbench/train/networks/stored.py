"""Stored weights and the network that they belong to, which pruning may have made narrower."""

import itertools
from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from ...core.errors import InputError

Shape = tuple[int, ...]
NORMS = nn.BatchNorm1d | nn.BatchNorm2d


def shapes(tensors: Mapping[str, Tensor | np.ndarray]) -> dict[str, Shape]:
    """The shape of each array."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def mismatch(expected: Mapping[str, Shape], given: Mapping[str, Shape], wrong: list[str]) -> InputError:
    """The error that names the first of the tensors that are `wrong`."""
    name = min(wrong)
    return InputError(
        f"weights of this architecture must have {name!r} of shape {expected.get(name)}, "
        f"got {given.get(name)}; were they trained with another architecture or other data?"
    )


def fit_shapes(network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Narrow the layers of `network`, in place, to the shapes of `weights`, which can then be loaded.

    Raises InputError where names differ, where a tensor has another number of dimensions, another kernel or
    more channels, or where a layer is narrower that cannot be.
    """
    expected, given = shapes(network.state_dict()), shapes(weights)
    if wrong := [n for n in expected.keys() | given.keys() if not _narrower(expected.get(n), given.get(n))]:
        raise mismatch(expected, given, wrong)
    for path, layer in network.named_modules():
        own = dict(itertools.chain(layer.named_parameters(path, False), layer.named_buffers(path, False)))
        changed = [name for name in own.keys() & given.keys() if expected[name] != given[name]]
        if changed and not isinstance(layer, nn.Conv2d | nn.Linear | nn.GroupNorm | NORMS):
            raise mismatch(expected, given, changed)
        for name in changed:
            own[name].data = own[name].data[tuple(map(slice, given[name]))].clone()
        if changed:
            _declare(layer)


def _narrower(expected: Shape | None, given: Shape | None) -> bool:
    """Whether pruning can have made the one from the other: it removes along the first two dimensions."""
    if expected is None or given is None or len(expected) != len(given) or expected[2:] != given[2:]:
        return False
    return all(0 < g <= e for e, g in zip(expected, given, strict=True))


def _declare(layer: nn.Module) -> None:
    """Make a layer's attributes say what its tensors are."""
    if isinstance(layer, nn.Conv2d):
        depthwise = layer.groups == layer.in_channels == layer.out_channels
        layer.out_channels, per_group = layer.weight.shape[:2]
        layer.groups = layer.out_channels if depthwise else layer.groups
        layer.in_channels = per_group * layer.groups
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, nn.GroupNorm):
        per_group = layer.num_channels // layer.num_groups  # pruning removes whole groups
        layer.num_channels = len(layer.weight)
        layer.num_groups = layer.num_channels // per_group
    else:
        layer.num_features = max(tensor.numel() for tensor in layer.state_dict().values())
