"""Ask trained models: logits on records in views, and how long an answer takes."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.dataset import Indices
from ..errors import InputError
from ..signals.views import parse_views
from .architectures import loaded
from .recipe import Architecture

Weights = Mapping[str, np.ndarray]


@torch.no_grad()
def query(
    x: NDArray[np.float32],
    classes: int,
    architecture: Architecture,
    weights: Weights | Sequence[Weights],
    rows: Indices,
    views: Sequence[str] = ("identity",),
    batch: int = 1024,
) -> NDArray[np.float32]:
    """Logits of one model [V, N, C], or of K models [K, V, N, C], on the records x[rows] in `views`.

    C is `classes`. A view is made once for all models. Raises InputError for weights of another architecture,
    for views that do not exist, and for other views than `identity` on tables.
    """
    several = [weights] if isinstance(weights, Mapping) else list(weights)
    if not several:
        raise InputError("query needs the weights of at least one model, got none")
    networks = [loaded(architecture, x.shape[1:], classes, each) for each in several]
    parsed = parse_views(views)
    out = np.empty((len(networks), len(parsed), len(rows), classes), dtype=np.float32)
    for v, view in enumerate(parsed):
        for start in range(0, len(rows), batch):
            seen = torch.from_numpy(view(x[rows[start : start + batch]]))
            for k, network in enumerate(networks):
                out[k, v, start : start + batch] = network(seen).numpy()
    return out[0] if isinstance(weights, Mapping) else out


@torch.no_grad()
def measure_latency(
    x: NDArray[np.float32],
    classes: int,
    architecture: Architecture,
    weights: Weights,
    size: int,
    repeats: int = 20,
    output: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda logits: logits,
) -> NDArray[np.float64]:
    """Seconds of each of `repeats` answers to a batch of `size`, output map included; a short x is repeated."""
    network = loaded(architecture, x.shape[1:], classes, weights)
    records = torch.from_numpy(np.resize(x[:size], (size, *x.shape[1:])))
    seconds = np.empty(repeats + 1)
    for i in range(repeats + 1):
        started = time.perf_counter()
        output(network(records).numpy().astype(np.float64))
        seconds[i] = time.perf_counter() - started
    return seconds[1:]  # the first call allocates
