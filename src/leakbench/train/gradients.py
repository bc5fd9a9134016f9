"""Norms of each record's gradient in the parameters of a trained network, for white-box attacks."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from ..core.errors import InputError
from ..data.dataset import Indices
from ..signals.statistics import residual
from ..signals.views import View
from .device import at_work
from .networks.build import Network, loaded
from .query import BATCHES, viewed
from .recipe import Architecture
from .recipe.engine import CPU, Engine
from .tensors import Normaliser

AT_ONCE = 2**24  # numbers in the gradients that are computed at once
SMALLEST = float(np.finfo(np.float64).tiny)  # squared norm: of a gradient that is 0


def log_gradient_norms(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    classes: int,
    architecture: Architecture,
    weights: Mapping[str, np.ndarray],
    rows: Indices,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    engine: Engine = CPU,
) -> NDArray[np.float64]:
    r"""The logarithm of the norm of every record's gradient, in all parameters and in those of the last layer [2, N].

    Formula: l = -log p_y with p = softmax(z);  dl/dz = p - e_y = r u with |u| = 1
             |dl/dtheta| = r |J^T u|,  J = dz/dtheta;  of a last layer z = W h + b: r |(h, 1)|, and r |h| without b
             of W in a linear layer that is called with h_k and gives a_k, d_k = d(u z)/da_k:
             |sum_k d_k h_k^T|^2 = sum_kl (d_k d_l) (h_k h_l)
    Shapes:  x [n, ...], y [n], rows [N] -> [2, N]; [1, N] where the logits are not those of a linear layer, as those of
             an ensemble, which are logarithms of a mean

    r is computed in double precision from differences of logits, so that a record with p_y = 1 - 1e-20 has a gradient
    other than 0. Dropout is off. Raises InputError for a network that `torch.func.vmap` cannot take.
    """
    norms: list[NDArray[np.float64]] = []
    with at_work(engine, training=False) as device:
        network = loaded(architecture, x.shape[1:], classes, weights).to(  # type: ignore[call-overload]
            device, memory_format=torch.contiguous_format
        )  # vmap supports no other
        network.requires_grad_(True)
        normalise = Normaliser(mean, std, device)
        for start in range(0, len(rows), BATCHES[engine.device]):
            part = rows[start : start + BATCHES[engine.device]]
            norms.append(_of_batch(network, normalise(viewed(x, part, View(), device)), y[part]))
    return np.concatenate(norms, axis=1)


def _of_batch(network: Network, records: Tensor, y: NDArray[np.int64]) -> NDArray[np.float64]:
    calls: dict[nn.Linear, list[tuple[Tensor, Tensor]]] = {}  # inputs and outputs of each linear layer
    handed_on: list[tuple[nn.Linear, Tensor, Tensor]] = []

    def note(layer: nn.Linear, read: tuple[Tensor, ...], output: Tensor) -> Tensor:
        kept, copy = read[0].detach().clone(), output.clone()  # later layers may overwrite them
        calls.setdefault(layer, []).append((kept, output))
        handed_on.append((layer, kept, copy))
        return copy

    with ExitStack() as hooks, torch.enable_grad():
        for layer in _plain_linear(network):
            hooks.callback(layer.register_forward_hook(note).remove)
        logits = network(records)
        log_r, direction = residual(logits.detach().cpu().numpy().astype(np.float64), y)
        u = torch.from_numpy(direction.astype(np.float32)).to(logits.device)
        calls = {layer: made for layer, made in calls.items() if _a_row_each(made, len(records))}
        outputs = [output for made in calls.values() for _, output in made]
        slopes = iter(torch.autograd.grad((logits * u).sum(), outputs) if outputs else ())
    squares = torch.zeros(len(records), dtype=torch.float64, device=logits.device)
    for layer, made in calls.items():
        squares += _of_linear(layer, [(read, next(slopes)) for read, _ in made])
    linear = {id(p) for layer in calls for p in layer.parameters()}
    rest = {name: p.detach() for name, p in network.named_parameters() if id(p) not in linear}
    if rest:
        squares += _by_vmap(network, rest, records, u)
    last = next((_squares_read(each, read) for each, read, copy in handed_on if copy is logits), None)
    found = torch.stack([squares, *([] if last is None else [last])]).clamp_min(SMALLEST)
    return np.asarray(log_r + found.log().cpu().numpy() / 2)


def _plain_linear(network: Network) -> list[nn.Linear]:
    """The linear layers whose weight and bias are parameters that no other layer has."""
    modules = list(network.modules())
    uses = Counter(id(p) for module in modules for p in module.parameters(recurse=False))
    linear = [module for module in modules if type(module) is nn.Linear]
    return [
        layer
        for layer in linear
        if all(name in ("weight", "bias") and uses[id(p)] == 1 for name, p in layer.named_parameters())
    ]


def _a_row_each(calls: list[tuple[Tensor, Tensor]], n: int) -> bool:
    """Whether a layer reads one row [in] for each of n records in every call."""
    return all(read.ndim == 2 and len(read) == n for read, _ in calls)


def _squares_read(layer: nn.Linear, read: Tensor) -> Tensor:
    return read.double().square().sum(dim=1) + (layer.bias is not None)


def _of_linear(layer: nn.Linear, calls: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The squared norm [B] of each record's gradient in a linear layer's parameters, over all its calls."""
    read, slope = (
        torch.stack(side, dim=1) for side in zip(*calls, strict=True)
    )  # [B, K, in] and [B, K, out]
    squares = ((read @ read.mT) * (slope @ slope.mT)).sum(dim=(1, 2))
    return squares if layer.bias is None else squares + slope.sum(dim=1).square().sum(dim=1)


def _by_vmap(network: Network, parameters: dict[str, Tensor], records: Tensor, u: Tensor) -> Tensor:
    """The squared norm [B] of J^T u in some of the parameters, from each record's whole gradient."""

    def squares(record: Tensor, vector: Tensor) -> Tensor:
        _, pull_back = vjp(lambda p: functional_call(network, p, (record[None],)), parameters)  # type: ignore[misc]
        (gradient,) = pull_back(vector[None])
        return torch.stack([g.double().square().sum() for g in gradient.values()]).sum()

    chunk = max(1, AT_ONCE // sum(p.numel() for p in parameters.values()))
    try:
        found: Tensor = vmap(squares, chunk_size=chunk)(records, u)
    except RuntimeError as error:
        raise InputError(
            "white-box attacks need a network that torch.func.vmap can take, got: "
            f"{str(error).splitlines()[0]}; leave these attacks out"
        ) from None
    return found.detach()
