"""Monte Carlo dropout: the units that each pass keeps."""

import torch

from ..model import Model
from ..networks.mean_softmax import MonteCarloNetwork
from ..random_streams import generator
from ..recipe import MonteCarlo


def monte_carlo(model: Model, stage: MonteCarlo, number: int) -> MonteCarloNetwork:
    """The network with Monte Carlo passes, whose masks are drawn here, each from a stream of its own."""
    dropout = model.job.recipe.architecture.dropout or 0.0
    units = sum(model.network.dropped)  # type: ignore[arg-type]
    streams = [generator(model.seed, number, "pass", p) for p in range(stage.passes)]
    kept = torch.stack([torch.rand(units, generator=stream) >= dropout for stream in streams])
    return MonteCarloNetwork(model.network, kept, dropout)
