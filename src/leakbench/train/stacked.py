"""The stacked engine: K models trained at once, each exactly as if it were alone.

Every model keeps its own members, order, dropout masks and augmentation, all from its own seed. Nothing flows
between models: the loss is a sum over them, and the optimiser treats each weight by itself.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..data.dataset import Dataset
from .architectures import Network, initialised, unset
from .draws import Draws, generator
from .history import History, diverged, log
from .job import Job, Trained, check_group
from .loop import train_alone
from .optimisers import StackedOptimiser
from .recipe import Architecture
from .stacks import stacked
from .tensors import augmented, masks, tensors

Progress = Callable[[float], None]
# Measured on CPUs, where a stack pays as long as what it touches in a step fits the caches:
LARGEST_STACKED_IMAGE = 144  # pixels that CNNs are stacked for; on larger images the loop is faster
STACK_BYTES = 4_000_000  # of weights in a stack, which has gradients and momentum beside them
DEV_BATCH = 1024


def train_group(dataset: Dataset, jobs: Sequence[Job], progress: Progress | None = None) -> list[Trained]:
    """Train the jobs' models, as many at once as pays; they share recipe and counts (see `groups`).

    `progress` is called with the fraction of the group that is done. Raises InputError if the jobs differ or
    do not fit the data, LeakbenchError with the seed of a model whose loss diverges.
    """
    check_group(jobs)
    report = progress or (lambda fraction: None)
    size = _at_once(dataset, jobs[0].recipe.architecture)
    trained: list[Trained] = []

    def partly(done: float) -> None:
        report((len(trained) + done * min(size, len(jobs) - len(trained))) / len(jobs))

    for start in range(0, len(jobs), size):
        part = jobs[start : start + size]
        if size == 1:
            trained.append(train_alone(dataset, part[0]))
            partly(0.0)
        else:
            trained.extend(_train_stack(dataset, part, partly))
    return trained


def _at_once(dataset: Dataset, architecture: Architecture) -> int:
    """How many models are stacked: what was fastest on a CPU. It changes nothing beyond floating point."""
    shape = dataset.x.shape[1:]
    network = unset(architecture, shape, len(dataset.classes))
    if architecture.name == "cnn" and shape[1] * shape[2] > LARGEST_STACKED_IMAGE:
        return 1
    return max(1, STACK_BYTES // sum(p.numel() * p.element_size() for p in network.parameters()))


def _train_stack(dataset: Dataset, jobs: Sequence[Job], report: Progress) -> list[Trained]:
    x, y = tensors(dataset, jobs)
    recipe, shape, classes = jobs[0].recipe, dataset.x.shape[1:], len(dataset.classes)
    networks = [
        initialised(unset(recipe.architecture, shape, classes), generator(job.seed, "init")) for job in jobs
    ]
    done, total = 0, sum(stage.epochs for stage in recipe.stages)
    histories = []  # [stages][K]
    for number, stage in enumerate(recipe.stages):
        run = _Stage(x, y, jobs, networks, number)
        for epoch in range(stage.epochs):
            if run.live:
                run.epoch(epoch)
            done += 1
            report(done / total)
        run.finish()
        histories.append(run.histories)
    return [
        Trained({name: value.numpy() for name, value in network.state_dict().items()}, log(list(own)))
        for network, own in zip(networks, zip(*histories, strict=True), strict=True)
    ]


class _Stage:
    """One stage of K models, which writes its results into their `networks`.

    `live` are the models still training, L of them, in the order of the stack; the others have stopped early.
    """

    def __init__(
        self, x: Tensor, y: Tensor, jobs: Sequence[Job], networks: list[Network], number: int
    ) -> None:
        self.x, self.y, self.networks = x, y, networks
        self.stage = jobs[0].recipe.stages[number]
        self.dropout = jobs[0].recipe.architecture.dropout
        self.members = [torch.from_numpy(job.members) for job in jobs]
        self.dev = torch.stack([torch.from_numpy(job.dev) for job in jobs])
        self.draws = [Draws(job.seed, number) for job in jobs]
        self.histories = [History(job.seed, self.stage.patience) for job in jobs]
        self.live = list(range(len(jobs)))
        self.stack = stacked(networks)
        self.optimiser = StackedOptimiser(self.stage.optimiser, self.stack.parameters())

    def epoch(self, epoch: int) -> None:
        """Train the live models for an epoch, note their losses, take out those past their patience."""
        started = time.perf_counter()
        lr = self.stage.optimiser.lr * self.stage.schedule.scale(epoch, self.stage.epochs)
        n = len(self.members[0])
        order = torch.stack([self.members[k][self.draws[k].order(n)] for k in self.live])  # [L, n]
        total = torch.zeros(len(self.live), dtype=torch.float64)
        for rows in order.split(self.stage.batch_size, dim=1):
            total += self._step(rows, lr) * rows.shape[1]
        losses, dev_losses = (total / n).tolist(), self._dev_losses()
        seconds = (time.perf_counter() - started) / len(self.live)
        for k, loss, dev_loss in zip(self.live, losses, dev_losses, strict=True):
            self.histories[k].add(loss, dev_loss, seconds)
        if self.stage.patience:
            self._stop_early()

    def finish(self) -> None:
        """Hand the last weights over; a stage with patience handed over each model's best already."""
        if not self.stage.patience:
            self._hand_over(range(len(self.live)))
        for network, history in zip(self.networks, self.histories, strict=True):
            if not all(p.isfinite().all() for p in network.parameters()):
                raise diverged(history.seed, "its weights are not finite")

    def _step(self, rows: Tensor, lr: float) -> Tensor:
        """One step of each live model on its own batch, rows [L, B]; their losses [L]."""
        L, B = rows.shape
        logits = self.stack.forward(self._records(rows), self._masks(B))
        loss = cross_entropy(
            logits.flatten(0, 1),
            self.y[rows.flatten()],
            reduction="none",
            label_smoothing=self.stage.loss.smoothing,
        )
        loss = loss.view(L, B).mean(dim=1)
        loss.sum().backward()
        self.optimiser.step(self.stack.parameters(), lr)
        return loss.detach()

    def _records(self, rows: Tensor) -> Tensor:
        """The augmented records [L, B, ...] of rows [L, B]."""
        x = self.x.index_select(0, rows.flatten())
        if self.stage.augment:
            moves = [self.draws[k].moves(rows.shape[1], self.stage.augment) for k in self.live]
            x = augmented(x, torch.cat(moves), self.stage.augment.shift)
        return x.view(*rows.shape, *x.shape[1:])

    def _masks(self, B: int) -> tuple[Tensor, ...] | None:
        if not self.dropout:
            return None
        widths = self.stack.dropped
        uniform = torch.stack([self.draws[k].uniform(B, sum(widths)) for k in self.live])
        return masks(uniform, self.dropout, widths)

    @torch.no_grad()
    def _dev_losses(self) -> list[float | None]:
        """The mean cross-entropy of each live model on its dev records, if the stage stops early."""
        if not self.stage.patience:
            return [None] * len(self.live)
        dev = self.dev[self.live]  # [L, n_dev]
        total = torch.zeros(len(self.live), dtype=torch.float64)
        for rows in dev.split(DEV_BATCH, dim=1):
            flat = rows.flatten()
            records = self.x.index_select(0, flat)
            logits = self.stack.forward(records.view(*rows.shape, *records.shape[1:])).flatten(0, 1)
            total += cross_entropy(logits, self.y[flat], reduction="none").view(rows.shape).sum(dim=1)
        return (total / dev.shape[1]).tolist()

    def _stop_early(self) -> None:
        """Hand over the weights that are the best so far, and go on without the models that are done."""
        self._hand_over(i for i, k in enumerate(self.live) if self.histories[k].improved)
        going = [i for i, k in enumerate(self.live) if not self.histories[k].exhausted]
        if len(going) < len(self.live):
            self.live = [self.live[i] for i in going]
            self.stack.keep(going)
            self.optimiser.keep(going)

    def _hand_over(self, positions: Iterable[int]) -> None:
        for i in positions:
            self.networks[self.live[i]].load_state_dict(self.stack.weights(i))
