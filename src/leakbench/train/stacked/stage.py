"""One training stage of a stack of models. A stage with privacy overrides its batches and its step."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..device import autocast
from ..history import History
from ..loop import loss_and_gradient
from ..loss_traces import blank, note
from ..mixup import Mixing, mixed, mixed_targets, mixup
from ..model import Model
from ..random_streams import ModelStreams
from ..recipe import Train
from ..stage_data import StageData, taken
from ..tensors import augmented, masks
from .optimisers import StackedOptimiser
from .products import Gradient, value
from .stack import Stack

DEV_BATCH = 1024


class Batch(NamedTuple):
    """The records of L models in one step."""

    numbers: Tensor  # [L, B] among each model's own records
    rows: Tensor  # [L, B] their rows in the stage data
    labels: Tensor  # [L, B]
    sizes: list[int]  # [L] how many records each model has; what is behind them fills the batch up


class StackedStage:
    """One stage of K models, which writes its results into their networks.

    `live` are the models still training, L of them, in the order of the stack; the others have stopped early.
    """

    def __init__(self, models: Sequence[Model], material: StageData, number: int) -> None:
        stage = models[0].job.recipe.stages[number]
        assert isinstance(stage, Train)
        self.models, self.material, self.stage = models, material, stage
        self.engine = models[0].job.engine
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
        n = self.rows.shape[1]
        costs = blank(self.stage, len(self.live), n, self.rows.device)
        total = torch.zeros(len(self.live), dtype=torch.float64, device=self.rows.device)
        for batch in self.batches():
            total += self.step(batch, lr, epoch, costs)
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

    def batches(self) -> Iterator[Batch]:
        """The batches of an epoch, in which each live model sees its records in an order of its own."""
        n = self.rows.shape[1]
        order = torch.stack([self.draws[k].order(n) for k in self.live])  # [L, n]
        rows = self.rows.gather(1, order)
        labels = self.material.y[rows]
        size = self.stage.batch_size
        parts = (torch.split(each, size, dim=1) for each in (order, rows, labels))
        for numbers, own_rows, own_labels in zip(*parts, strict=True):
            yield Batch(numbers, own_rows, own_labels, [numbers.shape[1]] * len(self.live))

    def step(self, batch: Batch, lr: float, epoch: int, costs: Tensor | None) -> Tensor:
        """One step of each live model; the sum of its records' losses before it [L], each record's in `costs`."""
        B, labels = batch.rows.shape[1], batch.labels
        soft = self.material.soft
        targets = labels if soft is None else self._taught(soft, batch.numbers)
        mixing = mixup([self.draws[k] for k in self.live], B, self.stage)
        logits = self.logits(batch, mixing)
        if mixing:
            targets = mixed_targets(targets, logits, mixing)
        loss, slope, each = loss_and_gradient(self.stage, logits, targets, labels, epoch)
        if costs is not None:
            assert each is not None
            note(costs, batch.numbers, each)
        if self.penalised:
            loss = loss + self.stage.l1 * sum(self._sizes(name) for name in self.penalised)
        self.optimiser.begin(lr)
        with autocast(self.engine, slope.device):
            self.stack.backward(slope, self.move)
        return loss * B

    def logits(self, batch: Batch, mixing: Mixing | None = None) -> Tensor:
        """Logits [L, B, C] of the augmented, normalised and mixed records, with dropout."""
        x = taken(self.material.x, batch.rows.flatten())
        if self.stage.augment.moves:
            moves = self.drawn(batch, lambda draws, n: draws.moves(n, self.stage.augment))
            x = augmented(x, moves.flatten(0, 1), self.stage.augment.shift)
        records = self.material.normalise(x).view(*batch.rows.shape, *x.shape[1:])
        return self.forward(mixed(records, *mixing) if mixing else records, batch)

    def forward(self, records: Tensor, batch: Batch) -> Tensor:
        """Logits [L, B, C] of records [L, B, ...], with dropout, in float32."""
        kept: tuple[Tensor, ...] = ()
        if self.dropout:
            widths = self.stack.dropped
            uniform = self.drawn(batch, lambda draws, n: draws.uniform(n, sum(widths)))
            kept = masks(uniform, self.dropout, widths)
        with autocast(self.engine, records.device):
            return self.stack.forward(records, kept).float()

    def drawn(self, batch: Batch, draw: Callable[[ModelStreams, int], Tensor]) -> Tensor:
        """What each live model draws for its records of a batch [L, B, ...]."""
        own = [draw(self.draws[k], size) for k, size in zip(self.live, batch.sizes, strict=True)]
        return filled_up(own, batch.rows.shape[1])

    def move(self, name: str, gradient: Gradient) -> None:
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
            self.keep(going)

    def keep(self, positions: list[int]) -> None:
        """Go on with the live models at `positions` alone."""
        self.live = [self.live[i] for i in positions]
        self.rows = self.rows[positions]
        self.stack.keep(positions)
        self.optimiser.keep(positions)
        self.masks = {name: mask[positions] for name, mask in self.masks.items()}

    def _hand_over(self, positions: Iterable[int]) -> None:
        for i in positions:
            self.models[self.live[i]].network.load_state_dict(self.stack.weights(i))


def filled_up(own: Sequence[Tensor], B: int) -> Tensor:
    """The rows of each model [L, B, ...], with zeros behind them."""
    rows = own[0].new_zeros(len(own), B, *own[0].shape[1:])
    for row, each in zip(rows, own, strict=True):
        row[: len(each)] = each
    return rows
