"""Structured pruning: which channels matter least, and how they are removed.

torch_pruning (Fang et al. 2023, arXiv 2301.12900) finds by tracing which filters, scales and inputs must go
together, and cuts them. The ranking is ours: its pruners remove all that tie, leave a layer whole that would
lose its last channel, and count 10 channels at sparsity 0.9 as 10 to remove.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...core.errors import InputError
from ..networks.stored import NORMS
from ..recipe import Prune

if TYPE_CHECKING:
    from torch_pruning import DependencyGraph

NORM = {"l1_structured": 1, "l2_structured": 2}


@dataclass(frozen=True, eq=False)
class Bundle:
    """The channels of one layer, and of all the layers whose channels must be the same because they are added."""

    root: nn.Module
    cut: Any  # torch_pruning's function for the outputs of `root`
    scores: Tensor  # [U], of each unit
    unit: int  # channels that go together: one, or a group of GroupNorm

    def channels(self, units: Tensor) -> list[int]:
        """The channels of `units`."""
        return (units[:, None] * self.unit + torch.arange(self.unit)).flatten().tolist()


def remove_channels(
    network: nn.Module, stage: Prune, shape: tuple[int, ...], kinds: tuple[type[nn.Module], ...]
) -> None:
    r"""Remove the least channels, in place. Parameters keep their names and whether they are trained.

    Formula: l1, l2: s_c = |W_c|_p / mean_c |W_c|_p, W_c all filters that make channel c (more than one where
             layers are added, or depthwise); slim: s_c = |scale_c|, mean over the BatchNorms that read c.
             In each layer round(sparsity * n) of n channels go, or of all together; one always stays in each.
    Source:  Li et al. 2017, arXiv 1608.08710 (L1); Liu et al. 2017, arXiv 1708.06519 (slim)
    Differs: norms are divided by their layer's mean, without which `global` ranks layers by their fan-in.
    """
    groups = {m: m.num_channels // m.num_groups for m in network.modules() if isinstance(m, nn.GroupNorm)}
    with _traceable(network):
        graph = _traced(network, shape)
        with torch.no_grad():
            bundles = list(_bundles(graph, network, stage.pruner, kinds))
            if not bundles:
                raise _nothing(stage)
            for bundle, units in zip(bundles, _least(bundles, stage), strict=True):
                if len(units):
                    graph.get_pruning_group(bundle.root, bundle.cut, bundle.channels(units)).prune()
    for norm, size in groups.items():
        norm.num_groups = norm.num_channels // size


def _traced(network: nn.Module, shape: tuple[int, ...]) -> "DependencyGraph":
    """The dependencies between layers; the outputs, times one, are a node of their own."""
    from torch_pruning import DependencyGraph

    records = torch.zeros(2, *shape)
    return DependencyGraph().build_dependency(
        network, records, forward_fn=lambda module, x: 1.0 * module(x), verbose=False
    )


def _nothing(stage: Prune) -> InputError:
    if stage.pruner == "slim":
        return InputError(
            "slim ranks channels by the scales of BatchNorm, and no layer that is pruned has one behind; "
            'use l1_structured, or an architecture with norm = "batch"'
        )
    return InputError(
        f"layers {stage.layers!r} must have channels to remove, but their outputs are the network's own; "
        'choose layers = "all", or l1_unstructured'
    )


@contextmanager
def _traceable(network: nn.Module) -> Iterator[None]:
    """Gradients flow through everything, and afterwards modes are as they were and no gradient is left."""
    training = network.training
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    network.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield
    finally:
        network.train(training)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name not in frozen).grad = None


def _bundles(
    graph: "DependencyGraph", network: nn.Module, pruner: str, kinds: tuple[type[nn.Module], ...]
) -> Iterator[Bundle]:
    """The removable units: not the network's own outputs, nor, for slim, channels that no BatchNorm reads."""
    from torch_pruning.ops import OPTYPE

    names = {module: name for name, module in network.named_modules()}
    for group in graph.get_all_groups(root_module_types=kinds):
        if any(dep.target.type == OPTYPE.OUTPUT for dep, _ in group):
            continue
        root, cut = group[0].dep.layer, group[0].dep.handler
        n = len(group[0].idxs)
        unit = _unit([dep.layer for dep, _ in group], names, n)
        scores = _scales(group, n) if pruner == "slim" else _norms(group, n, unit, NORM[pruner], graph)
        if scores is not None:
            yield Bundle(root, cut, scores, unit)


def _unit(layers: list[Any], names: dict[nn.Module, str], channels: int) -> int:
    """How many channels must go together. Raises InputError for layers that cannot be made narrower."""
    sizes = {1}
    for layer in layers:
        if isinstance(layer, nn.GroupNorm):
            sizes.add(layer.num_channels // layer.num_groups if layer.num_channels == channels else 0)
        elif not _removable(layer):
            raise InputError(
                f"channels cannot be removed from a {type(layer).__name__} ({names.get(layer, 'a parameter')!r}); "
                "use l1_unstructured"
            )
    if 0 in sizes or len(sizes) > 2:
        raise InputError(
            "channels cannot be removed where GroupNorms share them in different groups (densenet); "
            'use l1_unstructured, or norm = "batch"'
        )
    return max(sizes)


def _removable(layer: Any) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 or layer.groups == layer.in_channels == layer.out_channels
    if isinstance(layer, nn.Linear | NORMS):
        return True
    return isinstance(layer, nn.Module) and not any(True for _ in layer.parameters())


def _norms(group: Any, n: int, unit: int, p: int, graph: "DependencyGraph") -> Tensor:
    """The Lp norm of all filters that make each unit, over the mean of these norms: [U]."""
    powers = torch.zeros(n)
    for item in group:
        layer, makes = item.dep.layer, graph.is_out_channel_pruning_fn(item.dep.handler)
        if makes and isinstance(layer, nn.Conv2d | nn.Linear):
            filters = layer.weight[item.idxs].flatten(1)  # [n, ...]
            powers.index_add_(0, torch.tensor(item.root_idxs), filters.abs().pow(p).sum(1))
    norms = powers.view(-1, unit).sum(1).pow(1 / p)
    return norms / norms.mean() if norms.any() else norms


def _scales(group: Any, n: int) -> Tensor | None:
    """The mean |scale| of the BatchNorms that read each channel [n]; None without any."""
    total, readers = torch.zeros(n), torch.zeros(n)
    for item in group:
        if isinstance(item.dep.layer, NORMS) and item.dep.layer.affine:
            at = torch.tensor(item.root_idxs)
            total.index_add_(0, at, item.dep.layer.weight[item.idxs].abs())
            readers.index_add_(0, at, torch.ones(len(at)))
    return total / readers if readers.all() else None


def _least(bundles: list[Bundle], stage: Prune) -> list[Tensor]:
    """The units to remove from each bundle."""
    if stage.scope == "layer":
        return [_lowest([b.scores], stage.sparsity)[0] for b in bundles]
    return _lowest([b.scores for b in bundles], stage.sparsity)


def _lowest(scores: list[Tensor], share: float) -> list[Tensor]:
    """Where the round(share * n) lowest of all n scores are, the highest of each tensor left aside."""
    ranked = torch.cat([s.index_fill(0, s.argmax(), torch.inf) for s in scores])
    gone = torch.zeros(len(ranked), dtype=torch.bool)
    gone[ranked.argsort(stable=True)[: min(round(share * len(ranked)), len(ranked) - len(scores))]] = True
    return [part.nonzero()[:, 0] for part in torch.split(gone, [len(s) for s in scores])]
