"""The plain loop: one model, a module, torch's optimiser. The stacked engine must give what this gives."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from .device import autocast, compiled
from .loss_traces import blank, note
from .losses._labels import label_cross_entropies
from .losses.base import Loss, cross_entropies
from .mixup import Mixing, mixed, mixed_targets, mixup
from .model import Model
from .random_streams import ModelStreams
from .recipe import Distill, Train
from .recipe.settings import Optimiser
from .stage_data import StageData, taken
from .tensors import augmented, masks


class Learner:
    """One model's steps in one stage."""

    def __init__(self, model: Model, material: StageData, stage: Train, draws: ModelStreams) -> None:
        self.model, self.material, self.stage, self.draws = model, material, stage, draws
        self.network = model.network
        self.n = len(material.rows[0])
        self.engine = model.job.engine
        self.called = compiled(self.network, self.engine)
        self.optimiser = torch_optimiser(
            stage.optimiser, [p for p in self.network.parameters() if p.requires_grad], material.device
        )
        parameters = dict(self.network.named_parameters())
        self.masked = [
            (p, mask) for name, mask in model.masks.items() if (p := parameters[name]).requires_grad
        ]
        self.penalised = [parameters[name] for name in model.weight_names()] if stage.l1 else []

    def begin(self, epoch: int) -> None:
        """Set the learning rate and the records of an epoch."""
        self.epoch, self.costs = epoch, blank(self.stage, 1, self.n, self.material.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self.stage.optimiser.lr * self.stage.schedule.scale(epoch, self.stage.epochs)

    def trace(self) -> np.ndarray | None:
        """The loss of each record in the epoch [n], if the stage records it."""
        return None if self.costs is None else self.costs[0].cpu().numpy()

    def batches(self) -> Iterable[Tensor]:
        """The numbers of the records of each batch of an epoch."""
        batches = torch.split(self.draws.order(self.n), self.stage.batch_size)
        alone = len(batches) > 1 and len(batches[-1]) == 1 and not hasattr(self.network, "dropped")
        return batches[:-1] if alone else batches  # BatchNorm has no variance of a single record

    def step(self, order: Tensor) -> Tensor:
        """One step on the records number `order`; the loss before it, a number on the device."""
        mixing = mixup([self.draws], len(order), self.stage)
        logits, labels = self.logits(order, mixing), self.material.labels(0, order)
        targets = labels if self.material.soft is None else self.material.soft[0][order]
        if mixing:
            targets = mixed_targets(targets[None], logits[None], mixing)[0]
        loss, each = self.loss(logits, targets, labels)
        if self.costs is not None:
            assert each is not None
            note(self.costs, order[None], each)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter, mask in self.masked:
            parameter.grad.mul_(mask)  # type: ignore[union-attr]
        self.optimiser.step()
        return loss.detach()

    def logits(self, order: Tensor, mixing: Mixing | None = None) -> Tensor:
        """Logits [B, C] on the records number `order`, augmented."""
        records = taken(self.material.x, self.material.rows[0][order])
        if self.stage.augment.moves:
            moves = self.draws.moves(len(order), self.stage.augment)
            records = augmented(records, moves, self.stage.augment.shift)
        records = self.material.normalise(records)
        if mixing:
            records = mixed(records[None], *mixing)[0]
        return self.forward(records)

    def forward(self, records: Tensor) -> Tensor:
        """Logits [B, C] in training, in float32; dropout of our own networks comes from the model's own stream."""
        whole = len(records) == self.stage.batch_size  # the network is compiled for batches of one size
        network: Callable[..., Tensor] = self.called if whole else self.network
        dropout = self.model.job.recipe.architecture.dropout
        widths = getattr(self.network, "dropped", None)
        kept: tuple[tuple[Tensor, ...], ...] = ()
        if widths is not None and dropout:
            kept = (masks(self.draws.uniform(len(records), sum(widths)), dropout, widths),)
        with autocast(self.engine, records.device):
            return network(records, *kept).float()

    def loss(self, logits: Tensor, targets: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """The objective of the stage on one batch, and the loss of each record [1, B]; see `objective`."""
        loss, each = objective(self.stage, logits[None], targets[None], labels[None], self.epoch)
        return loss[0] + self.stage.l1 * sum(p.abs().sum() for p in self.penalised), each

    def finish(self) -> None:
        """Undo changes of the network after the last step."""


def objective(
    stage: Train, logits: Tensor, targets: Tensor, labels: Tensor, epoch: int = 0
) -> tuple[Tensor, Tensor | None]:
    """The loss of each model [K] on logits [K, B, C], and the cross-entropies on labels [K, B] if they are recorded.

    Both are computed at once where the loss is the mean cross-entropy. A student is compared at the teacher's
    temperature.
    """
    loss = stage.loss.at(epoch)
    if _smoothed(loss, targets, labels) == 0:
        each = cross_entropies(logits, labels)
        return each.mean(dim=-1), each.detach()
    with torch.no_grad():
        noted = cross_entropies(logits, labels) if stage.traced else None
    if isinstance(stage, Distill):
        return stage.temperature**2 * loss(logits / stage.temperature, targets), noted
    return loss(logits, targets), noted


def loss_and_gradient(
    stage: Train, logits: Tensor, targets: Tensor, labels: Tensor, epoch: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The losses [K], their gradient in the logits [K, B, C], and the cross-entropies [K, B] if recorded."""
    smoothing = _smoothed(stage.loss.at(epoch), targets, labels)
    if smoothing is not None:
        costs, slope, each = label_cross_entropies(logits, labels, smoothing)
        return costs.mean(dim=-1), slope.div_(labels.shape[-1]), each
    with torch.enable_grad():
        loss, noted = objective(stage, logits.requires_grad_(), targets, labels, epoch)
        (slope,) = torch.autograd.grad(loss.sum(), logits)
    return loss.detach(), slope, noted


def _smoothed(loss: Loss, targets: Tensor, labels: Tensor) -> float | None:
    """The label smoothing, if the loss is the mean cross-entropy on labels; else None."""
    return loss.smoothed if targets.ndim == labels.ndim else None


def torch_optimiser(
    optimiser: Optimiser, parameters: list[Tensor], device: torch.device
) -> torch.optim.Optimizer:
    """The recipe's optimiser as torch's, a weight in one pass."""
    lr, decay, fused = optimiser.lr, optimiser.weight_decay, device.type in ("cpu", "cuda")
    if optimiser.name == "adam":
        return torch.optim.Adam(parameters, lr, weight_decay=decay, fused=fused)
    return torch.optim.SGD(parameters, lr, optimiser.momentum, weight_decay=decay, fused=fused)
