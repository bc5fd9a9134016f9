"""Networks whose output is a mean of softmaxes: of many networks, or of one with many dropout masks.

The output is the logarithm of the mean: log-probabilities in place of logits.
"""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

Weights = Mapping[str, np.ndarray]
NETWORK = re.compile(r"networks\.(\d+)\.(.+)")  # an ensemble's names in its `state_dict`


class EnsembleNetwork(nn.Module):
    """An ensemble of K networks."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """Records [B, ...] -> log-probabilities [B, C]."""
        return log_mean(torch.stack([network(x).log_softmax(dim=1) for network in self.networks]))


class MonteCarloNetwork(nn.Module):
    """A network with P passes per prediction; `kept` [P, units] are the units that each pass keeps."""

    kept: Tensor

    def __init__(self, network: nn.Module, kept: Tensor, dropout: float) -> None:
        super().__init__()
        self.network, self.dropout = network, dropout
        self.register_buffer("kept", kept)

    def forward(self, x: Tensor) -> Tensor:
        """Records [B, ...] -> log-probabilities [B, C]."""
        passes = self.kept / (1.0 - self.dropout)
        widths: list[int] = list(self.network.dropped)  # type: ignore[arg-type]
        logits = [self.network(x, torch.split(one, widths)) for one in passes]
        return log_mean(torch.stack(logits).log_softmax(dim=2))


def log_mean(log_p: Tensor) -> Tensor:
    """The logarithm of the mean probability [...] over the first axis of log-probabilities [K, ...]."""
    return log_p.logsumexp(dim=0) - math.log(len(log_p))


def parts_of_ensemble(weights: Weights) -> list[dict[str, np.ndarray]]:
    """The weights of each network of an ensemble; none if they are of another network."""
    found = {name: NETWORK.fullmatch(name) for name in weights}
    parts: dict[int, dict[str, np.ndarray]] = {}
    for name, match in found.items():
        if match is None:
            return []
        parts.setdefault(int(match[1]), {})[match[2]] = weights[name]
    return [parts[k] for k in sorted(parts)]


def parts_of_monte_carlo(weights: Weights) -> tuple[dict[str, np.ndarray], np.ndarray] | None:
    """The network's own weights and the kept units of each pass; None if there are none."""
    if "kept" not in weights:
        return None
    return {n.removeprefix("network."): v for n, v in weights.items() if n != "kept"}, weights["kept"]
