"""The stacked engine: K models trained at once, each exactly as if it were alone.

Every model keeps its own members, order, dropout masks and augmentation, all from its own seed. Nothing flows
between models: the loss is a sum over them, and the optimiser treats each weight by itself.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..device import at_work
from ..history import History
from ..loop import loss_and_gradient
from ..loss_traces import blank, note
from ..mixup import Mixing, mixed, mixed_targets, mixup
from ..model import Model
from ..networks.build import Network
from ..networks.headed import body_of
from ..networks.plain import CNN, MLP
from ..random_streams import ModelStreams
from ..recipe import Train
from ..stage_data import StageData, taken
from ..tensors import augmented, masks
from .optimisers import StackedOptimiser
from .products import Gradient, value
from .stack import Stack

LARGEST_STACKED_IMAGE = 144  # pixels up to which a stack of CNNs is faster than the loop, measured on CPUs
DEV_BATCH = 1024


def stackable(networks: Sequence[Network], stage: Train, shape: tuple[int, ...]) -> bool:
    """Whether a stage that trains these networks can, and should, be one computation, on records of `shape`."""
    if stage.privacy or stage.adversary:
        return False
    network = body_of(networks[0])
    small = isinstance(network, CNN) and shape[1] * shape[2] <= LARGEST_STACKED_IMAGE
    if not (isinstance(network, MLP) or small):
        return False
    shapes = [[p.shape for p in each.parameters()] for each in networks]
    return all(shape == shapes[0] for shape in shapes)  # pruned channels may differ between models


def train_stack(
    models: Sequence[Model], material: StageData, number: int, report: Callable[[float], None]
) -> list[History]:
    """Train the models in place by stage `number` of their recipe; `report` is called with the epochs done.

    A model that diverges does not affect the others; its history says so.
    """
    run = _Stage(models, material, number)
    with at_work(models[0].job.engine), torch.no_grad():
        for epoch in range(run.stage.epochs):
            if run.live:
                run.epoch(epoch)
            report(epoch + 1)
    run.finish()
    return run.histories


class _Batch(NamedTuple):
    """The records of L models in one step."""

    numbers: Tensor  # [L, B] among each model's own records
    rows: Tensor  # [L, B] their rows in the stage data
    labels: Tensor  # [L, B]


class _Stage:
    """One stage of K models, which writes its results into their networks.

    `live` are the models still training, L of them, in the order of the stack; the others have stopped early.
    """

    def __init__(self, models: Sequence[Model], material: StageData, number: int) -> None:
        stage = models[0].job.recipe.stages[number]
        assert isinstance(stage, Train)
        self.models, self.material, self.stage = models, material, stage
        self.dropout = models[0].job.recipe.architecture.dropout
        self.dev = torch.stack(material.dev)
        self.draws = [ModelStreams(model.seed, number, material.device) for model in models]
        self.histories = [History(self.stage.patience) for model in models]
        self.live = list(range(len(models)))
        self.rows = torch.stack(material.rows)  # [L, n]
        self.stack = Stack([model.network for model in models])
        self.optimiser = StackedOptimiser(self.stage.optimiser, self.stack.parameters())
        names = [n for n in models[0].masks if n in self.stack.trained]  # of every model alike
        self.masks = {n: torch.stack([m.masks[n] for m in models]) for n in names}  # [L, ...]
        self.penalised = models[0].weight_names() if self.stage.l1 else []

    def epoch(self, epoch: int) -> None:
        """Train the live models for an epoch, record their losses, and remove those that are done."""
        started = time.perf_counter()
        lr = self.stage.optimiser.lr * self.stage.schedule.scale(epoch, self.stage.epochs)
        n = len(self.material.rows[0])
        order = torch.stack([self.draws[k].order(n) for k in self.live])  # [L, n]
        costs = blank(self.stage, len(self.live), n, order.device)
        total = torch.zeros(len(self.live), dtype=torch.float64, device=order.device)
        for batch in self._batches(order):
            total += self._step(batch, lr, epoch, costs) * batch.rows.shape[1]
        losses, dev_losses = (total / n).tolist(), self._dev_losses()
        seconds = (time.perf_counter() - started) / len(self.live)
        traces = [None] * len(self.live) if costs is None else costs.cpu().numpy()
        for k, loss, dev_loss, trace in zip(self.live, losses, dev_losses, traces, strict=True):
            self.histories[k].add(loss, dev_loss, seconds, trace)
        self._take_out()

    def finish(self) -> None:
        """Write the last weights to the networks. A stage with patience has written the best ones already."""
        if not self.stage.patience:
            self._hand_over(range(len(self.live)))
        for model, history in zip(self.models, self.histories, strict=True):
            history.end(model.network)

    def _batches(self, order: Tensor) -> Iterator["_Batch"]:
        """The batches of an epoch, in which each live model sees its records in an order of its own [L, n]."""
        rows = self.rows.gather(1, order)
        labels = self.material.y[rows]
        parts = (torch.split(each, self.stage.batch_size, dim=1) for each in (order, rows, labels))
        return (_Batch(*batch) for batch in zip(*parts, strict=True))

    def _step(self, batch: "_Batch", lr: float, epoch: int, costs: Tensor | None) -> Tensor:
        """One step of each live model; their losses before it [L], each record's in `costs`."""
        B, labels = batch.rows.shape[1], batch.labels
        soft = self.material.soft
        targets = labels if soft is None else self._taught(soft, batch.numbers)
        mixing = mixup([self.draws[k] for k in self.live], B, self.stage)
        logits = self.stack.forward(self._records(batch.rows, mixing), self._masks(B))
        if mixing:
            targets = mixed_targets(targets, logits, mixing)
        loss, slope, each = loss_and_gradient(self.stage, logits, targets, labels, epoch)
        if costs is not None:
            assert each is not None
            note(costs, batch.numbers, each)
        if self.penalised:
            loss = loss + self.stage.l1 * sum(self._sizes(name) for name in self.penalised)
        self.optimiser.begin(lr)
        self.stack.backward(slope, self._move)
        return loss

    def _move(self, name: str, gradient: Gradient) -> None:
        """Move a leaf against its gradient; masked weights stay."""
        leaf = self.stack.leaves[name]
        if name in self.penalised:
            gradient = value(gradient, leaf).add_(leaf.sign(), alpha=self.stage.l1)
        if name in self.masks:
            gradient = value(gradient, leaf).mul_(self.masks[name])
        self.optimiser.move(name, leaf, gradient)

    def _taught(self, soft: list[Tensor], numbers: Tensor) -> Tensor:
        """The teachers' outputs [L, B, C] for the live models' records `numbers` [L, B]."""
        return torch.stack([soft[k][own] for k, own in zip(self.live, numbers, strict=True)])

    def _sizes(self, name: str) -> Tensor:
        """The sum of absolute weights [L] of one leaf."""
        return self.stack.leaves[name].abs().flatten(1).sum(dim=1)

    def _records(self, rows: Tensor, mixing: Mixing | None) -> Tensor:
        """The augmented, normalised and mixed records [L, B, ...] of rows [L, B]."""
        x = taken(self.material.x, rows.flatten())
        if self.stage.augment.moves:
            moves = [self.draws[k].moves(rows.shape[1], self.stage.augment) for k in self.live]
            x = augmented(x, torch.cat(moves), self.stage.augment.shift)
        records = self.material.normalise(x).view(*rows.shape, *x.shape[1:])
        return mixed(records, *mixing) if mixing else records

    def _masks(self, B: int) -> tuple[Tensor, ...] | None:
        if not self.dropout:
            return None
        widths = self.stack.dropped
        uniform = torch.stack([self.draws[k].uniform(B, sum(widths)) for k in self.live])
        return masks(uniform, self.dropout, widths)

    def _dev_losses(self) -> list[float | None]:
        """The mean cross-entropy of each live model on its dev records, if the stage stops early."""
        if not self.stage.patience:
            return [None] * len(self.live)
        dev = self.dev[self.live]  # [L, n_dev]
        total = torch.zeros(len(self.live), dtype=torch.float64, device=dev.device)
        for rows in torch.split(dev, DEV_BATCH, dim=1):
            flat = rows.flatten()
            records = self.material.dev_records(flat)
            logits = self.stack.forward(records.view(*rows.shape, *records.shape[1:])).flatten(0, 1)
            losses = cross_entropy(logits, self.material.dev_y[flat], reduction="none")
            total += losses.view(rows.shape).sum(dim=1)
        return (total / dev.shape[1]).tolist()

    def _take_out(self) -> None:
        """Write the weights that are the best so far, and remove the models that are done or diverged."""
        if self.stage.patience:
            self._hand_over(i for i, k in enumerate(self.live) if self.histories[k].improved)
        going = [i for i, k in enumerate(self.live) if not self.histories[k].exhausted]
        if len(going) < len(self.live):
            self.live = [self.live[i] for i in going]
            self.rows = self.rows[going]
            self.stack.keep(going)
            self.optimiser.keep(going)
            self.masks = {name: mask[going] for name, mask in self.masks.items()}

    def _hand_over(self, positions: Iterable[int]) -> None:
        for i in positions:
            self.models[self.live[i]].network.load_state_dict(self.stack.weights(i))
