"""Queries of trained models: logits on records in views and on noisy copies, and their latency."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.errors import InputError
from ..data.dataset import Indices
from ..signals.views import Perturbation, View, parse_views
from .device import at_work, autocast, device_of, resident
from .networks.build import answers, loaded
from .random_streams import generator
from .recipe import Architecture
from .recipe.engine import CPU, Engine
from .stage_data import taken
from .tensors import Normaliser, augmented

Weights = Mapping[str, np.ndarray] | nn.Module  # by name, or the network itself
Call = Callable[[], object]
Release = Callable[[int, NDArray[np.float64]], NDArray[np.float64]]
BATCHES = {"cpu": 1024, "cuda": 4096}  # records per batch of queries
DRAWN = 1024  # records per draw of a perturbation; records that are this many rows apart share their draw


@torch.no_grad()
def predict_logits(
    x: NDArray[np.float32],
    classes: int,
    architecture: Architecture,
    weights: Weights | Sequence[Weights],
    rows: Indices,
    views: Sequence[str] = ("identity",),
    batch: int | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    engine: Engine = CPU,
) -> NDArray[np.float32]:
    """Logits of one model [V, N, C], or of K models [K, V, N, C], on the records x[rows] in `views`.

    A view is made once for all models. With a GPU in the `engine`, records lie and views are made on it.

    Args:
        x: All records [n, ...].
        classes: The number of classes C.
        architecture: The architecture of the models.
        weights: The weights of one model by name, or of each of K models.
        rows: The rows of x to query with [N].
        views: The names of the views [V].
        batch: Records per batch. Default: BATCHES.
        mean: The mean of each channel or column, subtracted before the network. Empty: none.
        std: The standard deviation of each, by which the network's input is divided.
        engine: The device and the precision.

    Raises:
        InputError: The weights are of another architecture, a view does not exist, or a view other than `identity` is
            used on tables.
    """
    one = isinstance(weights, Mapping | nn.Module)
    several = [weights] if isinstance(weights, Mapping | nn.Module) else list(weights)
    if not several:
        raise InputError("query needs the weights of at least one model, got none")
    parsed, batch = parse_views(views), batch or BATCHES[engine.device]
    out = np.empty((len(several), len(parsed), len(rows), classes), dtype=np.float32)
    with at_work(engine, training=False) as device:
        networks = [loaded(architecture, x.shape[1:], classes, each).to(device) for each in several]
        normalise = Normaliser(mean, std, device)
        for v, view in enumerate(parsed):
            for start in range(0, len(rows), batch):
                seen = normalise(viewed(x, rows[start : start + batch], view, device))
                for k, network in enumerate(networks):
                    out[k, v, start : start + batch] = answers(network, seen).cpu().numpy()
    return out[0] if one else out


def viewed(x: NDArray[np.float32], rows: Indices, view: View, device: torch.device) -> Tensor:
    """The records x[rows] in a view, on the device."""
    if device.type == "cpu":
        return torch.from_numpy(view(x[rows]))
    records = taken(resident(x, np.float32, device), torch.from_numpy(rows).to(device))
    if view == View():
        return records
    move = torch.tensor([[view.right, view.down, view.flip]], device=device)
    return augmented(records, move.expand(len(rows), 3), max(abs(view.right), abs(view.down)))


def predictor(
    shape: tuple[int, ...],
    classes: int,
    architecture: Architecture,
    weights: Weights,
    batch: int = 1024,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    engine: Engine = CPU,
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function of a model that is loaded once: from records of `shape` [n, ...] to logits [n, C]."""
    device = device_of(engine)
    network, normalise = (
        loaded(architecture, shape, classes, weights).to(device),
        Normaliser(mean, std, device),
    )

    @torch.no_grad()
    def predict(x: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = torch.split(torch.from_numpy(np.require(x, np.float32, ["C", "W"])), batch)
        with at_work(engine, training=False):
            return np.concatenate(
                [answers(network, normalise(part.to(device))).cpu().numpy() for part in parts]
            )

    return predict


@torch.no_grad()
def predict_noisy_logits(
    x: NDArray[np.float32],
    classes: int,
    architecture: Architecture,
    weights: Weights,
    rows: Indices,
    copies: int,
    scale: float,
    seed: int,
    batch: int = 1024,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    engine: Engine = CPU,
) -> NDArray[np.float32]:
    """Logits of one model [K, N, C] on K noisy copies of each record x[rows]: x + scale u, u ~ N(0, I).

    The noise is added to the normalised record. It depends on `seed` alone, so every model is queried with the same
    copies. Records `batch // copies` apart share their u, because drawing it takes longer than the prediction of a
    small network. Raises InputError unless there is at least one copy and the scale is positive.
    """
    if copies < 1 or not scale > 0:
        raise InputError(
            f"noise must be at least 1 copy of a scale above 0, got {copies} of {scale}; leave it out for none"
        )
    size = max(1, batch // copies)
    out = np.empty((copies, len(rows), classes), dtype=np.float32)
    with at_work(engine, training=False) as device:
        network = loaded(architecture, x.shape[1:], classes, weights).to(device)
        normalise = Normaliser(mean, std, device)
        draw = torch.randn((copies, size, *x.shape[1:]), generator=generator(seed, "query noise"))
        noise = normalise.noise((scale * draw).to(device))
        for start in range(0, len(rows), size):
            records = normalise(viewed(x, rows[start : start + size], View(), device))
            seen: Tensor = records + noise[:, : len(records)]  # [K, B, ...]
            logits = answers(network, seen.flatten(0, 1)).view(*seen.shape[:2], classes)
            out[:, start : start + size] = logits.cpu().numpy()
    return out


@torch.no_grad()
def predicted_classes(
    x: NDArray[np.float32],
    classes: int,
    architecture: Architecture,
    weights: Weights,
    rows: Indices,
    perturbations: Sequence[Perturbation],
    seed: int,
    release: Release = lambda k, logits: logits,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    engine: Engine = CPU,
) -> NDArray[np.unsignedinteger[Any]]:
    """The class that one model predicts in each draw of each perturbation of the records x[rows] [K, N].

    Draws depend on `seed` alone: every model is queried with the same perturbed records. `release(k, logits)` is the
    output transform of the logits [1, N, C] of view k. Raises InputError for flips without a feature that is 0 or 1 in
    all of `rows`.
    """
    size = min(DRAWN, len(rows))
    binary = binary_features(x, rows) if any(each.kind == "flips" for each in perturbations) else None
    out = np.empty((sum(each.draws for each in perturbations), len(rows)), np.min_scalar_type(classes - 1))
    logits = np.empty((1, len(rows), classes))
    views = [(each, draw) for each in perturbations for draw in range(each.draws)]
    with at_work(engine, training=False) as device:
        network = loaded(architecture, x.shape[1:], classes, weights).to(device)
        normalise = Normaliser(mean, std, device)
        for k, (each, draw) in enumerate(views):
            drawn = _drawn(
                each, (size, *x.shape[1:]), generator(seed, "perturbation", each.name, draw), binary
            )
            drawn = drawn.to(device)
            for start in range(0, len(rows), size):
                records = viewed(x, rows[start : start + size], View(), device)
                own = drawn[: len(records)]
                seen = (
                    normalise(records) + normalise.noise(own)
                    if each.kind == "noise"
                    else normalise(records + own * (1 - 2 * records))
                )
                with autocast(engine, device):
                    answered = answers(network, seen).float()
                logits[0, start : start + size] = answered.cpu().numpy()
            out[k] = release(k, logits)[0].argmax(axis=-1)
    return out


def _drawn(
    each: Perturbation, shape: tuple[int, ...], random: torch.Generator, binary: Tensor | None
) -> Tensor:
    """The noise to add, or 1 where a feature is flipped."""
    if binary is None or each.kind == "noise":
        return each.size * torch.randn(shape, generator=random)
    return (torch.rand(shape, generator=random) < each.size) * binary


def binary_features(x: NDArray[np.float32], rows: Indices) -> Tensor:
    """1 for each feature of a table that is 0 or 1 in all of the rows, else 0 [D].

    Raises InputError for images, and if there is no such feature.
    """
    if x.ndim != 2:
        raise InputError(f"flips need a table, got records of shape {list(x.shape[1:])}; use noise")
    binary = np.ones(x.shape[1], dtype=bool)
    for start in range(0, len(rows), DRAWN):
        part = x[rows[start : start + DRAWN]]
        binary &= ((part == 0) | (part == 1)).all(axis=0)
    if not binary.any():
        raise InputError("flips need a feature that is 0 or 1 in all records, got none; use noise")
    return torch.from_numpy(binary.astype(np.float32))


def latency_call(
    x: NDArray[np.float32],
    classes: int,
    architecture: Architecture,
    weights: Weights,
    size: int,
    output: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda logits: logits,
) -> Call:
    """A function that queries a model with `size` records, output transform included; a short x is repeated."""
    network = loaded(architecture, x.shape[1:], classes, weights)
    records = torch.from_numpy(np.resize(x[:size], (size, *x.shape[1:])))

    @torch.no_grad()
    def call() -> NDArray[np.float64]:
        return output(network(records).numpy().astype(np.float64))

    return call


def interleaved(
    calls: Sequence[Call], repeats: int, warm_up: int = 2, limit: float = 5.0
) -> NDArray[np.float64]:
    """The seconds of each call [K, repeats], made in turns: each round calls all of them, every other one in reverse.

    The first `warm_up` rounds, in which memory is allocated, are not counted. Rounds end early after `limit` seconds,
    if at least three have been counted.
    """
    rounds: list[NDArray[np.float64]] = []
    while len(rounds) < warm_up + repeats and (len(rounds) < warm_up + 3 or np.sum(rounds) < limit):
        seconds = np.empty(len(calls))
        for k in range(len(calls))[:: -1 if len(rounds) % 2 else 1]:
            started = time.perf_counter()
            calls[k]()
            seconds[k] = time.perf_counter() - started
        rounds.append(seconds)
    return np.stack(rounds[warm_up:], axis=1)
