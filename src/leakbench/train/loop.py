"""The plain loop: one model, a module, torch's optimiser. The stacked engine must give what this gives."""

import time

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..data.dataset import Dataset
from .architectures import Network, initialised, unset
from .draws import Draws, generator
from .history import History, diverged, log
from .job import Job, Trained
from .recipe import Optimiser
from .tensors import augmented, masks, tensors


def train_alone(dataset: Dataset, job: Job) -> Trained:
    """Train one model. Raises InputError if job and data do not fit, LeakbenchError if the loss diverges."""
    x, y = tensors(dataset, [job])
    network = unset(job.recipe.architecture, dataset.x.shape[1:], len(dataset.classes))
    initialised(network, generator(job.seed, "init"))
    histories = [_run(network, x, y, job, number) for number in range(len(job.recipe.stages))]
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return Trained(weights, log(histories))


def _run(network: Network, x: Tensor, y: Tensor, job: Job, number: int) -> History:
    """Train `network` in place by stage `number` of the job's recipe."""
    stage = job.recipe.stages[number]
    draws, history = Draws(job.seed, number), History(job.seed, stage.patience)
    optimiser = _optimiser(stage.optimiser, list(network.parameters()))
    members, dev = torch.from_numpy(job.members), torch.from_numpy(job.dev)
    best = None
    for epoch in range(stage.epochs):
        started = time.perf_counter()
        optimiser.param_groups[0]["lr"] = stage.optimiser.lr * stage.schedule.scale(epoch, stage.epochs)
        total = 0.0
        for rows in members[draws.order(len(members))].split(stage.batch_size):
            records = x[rows]
            if stage.augment:
                records = augmented(records, draws.moves(len(rows), stage.augment), stage.augment.shift)
            logits = network(records, _masks(network, draws, len(rows), job.recipe.architecture.dropout))
            loss = cross_entropy(logits, y[rows], label_smoothing=stage.loss.smoothing)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(rows)
        dev_loss = _dev_loss(network, x, y, dev) if stage.patience else None
        history.add(total / len(members), dev_loss, time.perf_counter() - started)
        if stage.patience and history.improved:
            best = {name: value.clone() for name, value in network.state_dict().items()}
        if history.exhausted:
            break
    if best is not None:
        network.load_state_dict(best)
    if not all(p.isfinite().all() for p in network.parameters()):
        raise diverged(job.seed, "its weights are not finite")
    return history


def _optimiser(optimiser: Optimiser, parameters: list[Tensor]) -> torch.optim.Optimizer:
    common = {"lr": optimiser.lr, "weight_decay": optimiser.weight_decay}
    if optimiser.name == "adam":
        return torch.optim.Adam(parameters, **common)
    return torch.optim.SGD(parameters, momentum=optimiser.momentum, **common)


def _masks(network: Network, draws: Draws, batch: int, dropout: float) -> tuple[Tensor, ...] | None:
    if not dropout:
        return None
    return masks(draws.uniform(batch, sum(network.dropped)), dropout, network.dropped)


@torch.no_grad()
def _dev_loss(network: Network, x: Tensor, y: Tensor, dev: Tensor) -> float:
    return cross_entropy(network(x[dev]), y[dev]).item()
