"""A model in training: its network, pruning masks, synthetic records and log."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.seeds import derive
from ..data.dataset import Dataset
from ..generators import Synthetic
from .device import device_of
from .job import Job, Trained
from .networks.build import Network, answers, initialised, laid_out, loaded, unset

BATCH = 1024  # records that a network infers at once


@dataclass(eq=False)
class Model:
    """The state that stages change in sequence, on the job's device. Models never share a parameter."""

    job: Job
    network: Network
    masks: dict[str, Tensor] = field(default_factory=dict)  # by parameter; False: held at zero
    log: list[dict[str, Any]] = field(default_factory=list)  # one entry per finished stage
    synthetic: Synthetic | None = None
    traces: np.ndarray | None = None  # as in `Trained`

    @property
    def seed(self) -> int:
        """The seed of everything random in the model."""
        return self.job.seed

    def weight_names(self) -> list[str]:
        """The weights with an L1 penalty: those of masked layers, or else all matrices and filters.

        Frozen weights have none.
        """
        trained = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        return (
            [n for n in self.masks if n in trained]
            if self.masks
            else [n for n in trained if trained[n].ndim > 1]
        )

    def trained(self) -> Trained:
        """A copy of the current state."""
        weights = {name: value.cpu().numpy().copy() for name, value in self.network.state_dict().items()}
        masks = {name: mask.cpu().numpy() for name, mask in self.masks.items()}
        return Trained(weights, masks, list(self.log), self.traces)


def new_network(dataset: Dataset, job: Job, *names: object) -> Network:
    """A freshly initialised network for a job; `names` separate its stream from others of the same seed."""
    seed = derive(job.seed, *names, "init")
    network = unset(job.recipe.architecture, dataset.x.shape[1:], len(dataset.classes), seed)
    return laid_out(initialised(network, torch.Generator().manual_seed(seed))).to(device_of(job.engine))


def start(dataset: Dataset, job: Job) -> Model:
    """A model before its first stage."""
    return Model(job, new_network(dataset, job))


def resume(dataset: Dataset, job: Job, done: Trained) -> Model:
    """A model after the stages in `done.log`."""
    network = loaded(job.recipe.architecture, dataset.x.shape[1:], len(dataset.classes), done.weights)
    device = device_of(job.engine)
    masks = {name: torch.tensor(mask, device=device) for name, mask in done.masks.items()}
    return Model(job, network.to(device).requires_grad_(True), masks, list(done.log), traces=done.traces)


@torch.no_grad()
def inferred(network: Network, records: Tensor) -> Tensor:
    """The logits [n, C] of normalised records on the network's device, in inference mode."""
    training = network.training
    network.eval()
    logits = torch.cat([answers(network, part) for part in torch.split(records, BATCH)])
    network.train(training)
    return logits
