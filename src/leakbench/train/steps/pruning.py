"""Pruning: removes the least important weights or channels."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import L1Unstructured

from ...core.errors import InputError
from ..networks.headed import Headed
from ..recipe import Prune
from .channels import remove_channels

Layer = nn.Conv2d | nn.Linear
KINDS = {"conv": (nn.Conv2d,), "linear": (nn.Linear,), "all": (nn.Conv2d, nn.Linear)}


def prune(network: nn.Module, stage: Prune, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Prune `network`, which takes records of `shape`, in place, and return masks by parameter name.

    A mask is False where a weight is held at zero; removed channels have no mask.
    Raises InputError if the network has none of the layers, no BatchNorm for `slim`, or a surrogate head.
    """
    if isinstance(network, Headed):
        raise InputError(
            "a network must be pruned before it gets a surrogate head, got a `prune` stage behind a `head` stage; "
            "change their order (in a chain: pruning first)"
        )
    kinds = _kinds(network, stage.layers)
    if stage.pruner == "l1_unstructured":
        return _zero_weights(network, stage, kinds)
    remove_channels(network, stage, shape, kinds)
    return {}


def _kinds(network: nn.Module, layers: str) -> tuple[type[nn.Module], ...]:
    """The types of layer that are pruned. Raises InputError if the network has none of them."""
    present = {
        name: sum(isinstance(layer, KINDS[name]) for layer in network.modules())
        for name in ("conv", "linear")
    }
    if layers == "auto":
        layers = "conv" if present["conv"] else "linear"
    kinds = KINDS[layers]
    if not any(isinstance(layer, kinds) for layer in network.modules()):
        raise InputError(
            f"layers {layers!r} must be in the network that is pruned, which has {present['conv']} convolutions "
            f'and {present["linear"]} linear layers; choose layers = "auto"'
        )
    return kinds


@torch.no_grad()
def _zero_weights(network: nn.Module, stage: Prune, kinds: tuple[type[nn.Module], ...]) -> dict[str, Tensor]:
    """Zero the round(sparsity * n) smallest of n weights, those that are zero already included."""
    pruned = {id(layer.weight) for layer in network.modules() if isinstance(layer, kinds)}
    weights = {name: p for name, p in network.named_parameters() if id(p) in pruned}
    scopes = [weights] if stage.scope == "global" else [{name: p} for name, p in weights.items()]
    masks = {name: mask for scope in scopes for name, mask in _kept(scope, stage.sparsity).items()}
    for name, mask in masks.items():
        weights[name].masked_fill_(~mask, 0.0)
    return masks


def _kept(weights: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """False for the smallest share `sparsity` of all these weights together."""
    together = torch.cat([w.flatten() for w in weights.values()])
    smallest = L1Unstructured(round(sparsity * len(together)))
    kept = smallest.compute_mask(together, torch.ones_like(together, dtype=torch.bool))  # type: ignore[no-untyped-call]
    parts = torch.split(kept, [w.numel() for w in weights.values()])
    return {name: part.view_as(w).clone() for (name, w), part in zip(weights.items(), parts, strict=True)}
