"""Trains the models of jobs, stage by stage, the fastest number of them at once."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError, require
from ..core.seeds import derive
from ..data.dataset import Dataset
from ..generators import Synthetic, synthesise
from .device import device_of, room
from .job import Job, Trained, check_group, diverged, groups
from .learners import train_one
from .model import Model, inferred, new_network, resume, start
from .networks.build import Network, laid_out, unset
from .networks.headed import Headed
from .networks.mean_softmax import EnsembleNetwork
from .private import refuse_batchnorm
from .recipe import Distill, Ensemble, Generate, Head, MonteCarlo, Prune, Recipe, Train, TrainHead
from .stacked.engine import stackable, train_stack
from .stage_data import material, public_rows, taken
from .steps.ensemble import network_jobs
from .steps.heads import fit_head, with_head
from .steps.monte_carlo import monte_carlo
from .steps.pruning import prune
from .tensors import Normaliser, tensors

Progress = Callable[[float], None]
Keep = Callable[[Job, int, Trained], object]  # receives each model after each stage
Make = Callable[[Job, int], Synthetic]  # the synthetic records of a job's stage
MOST, MOST_ON_A_GPU = 64, 1024  # models in one stack, on a CPU and on a GPU
STACK_BYTES = 64_000_000  # the most bytes of weights in a stack, which also has gradients and momentum


def train_group(
    dataset: Dataset,
    jobs: Sequence[Job],
    progress: Progress | None = None,
    done: Sequence[Trained | None] | None = None,
    keep: Keep | None = None,
    make: Make | None = None,
) -> list[Trained]:
    """Train the models of the jobs, which share recipe and counts (see `groups`), many at once.

    A model that diverges goes through no further stage, see `Trained.diverged`.

    Args:
        dataset: The data set of the jobs.
        jobs: The jobs.
        progress: Is called with the fraction of the group that is done.
        done: The state of each model after the same number of stages; None: not begun.
        keep: Is called with each model after each stage.
        make: Returns the synthetic records of a stage of a job. Default: they are made here.

    Raises:
        InputError: The jobs differ, or do not fit the data.
    """
    check_group(jobs)
    report = progress or (lambda fraction: None)
    generate = make or (lambda job, number: synthetic(dataset, job, number))
    before = done or [None] * len(jobs)
    size = models_at_once(dataset, jobs[0])
    trained: list[Trained] = []

    def partly(fraction: float) -> None:
        report((len(trained) + fraction * min(size, len(jobs) - len(trained))) / len(jobs))

    for first in range(0, len(jobs), size):
        part = slice(first, first + size)
        models = [
            start(dataset, job) if has is None else resume(dataset, job, has)
            for job, has in zip(jobs[part], before[part], strict=True)
        ]
        _run_stages(dataset, models, partly, keep, generate)
        trained += [model.trained() for model in models]
    return trained


def synthetic(dataset: Dataset, job: Job, number: int) -> Synthetic:
    """The synthetic records of stage `number` of a job; the same for all jobs unless they depend on members."""
    stage = job.recipe.stages[number]
    assert isinstance(stage, Generate)
    seed = job.seed if stage.depends_on_members else job.shared_seed
    rows = job.members if stage.fitted_on == "members" else public_rows(dataset, True).numpy()
    size = max(1, round(stage.size * len(job.members)))
    records, labels = dataset.x[rows], dataset.y[rows]
    return synthesise(stage.generator, records, labels, dataset.classes, size, derive(seed, "generate"))


def rehearse(dataset: Dataset, recipe: Recipe) -> None:
    """Raise the errors that a stage would raise after hours of training: about layers, generators, records.

    Raises InputError, and ModuleNotFoundError if a stage needs an optional package that is not installed.
    """
    shape, classes = dataset.x.shape[1:], dataset.classes
    network = unset(recipe.architecture, shape, len(classes))
    public_rows(dataset, recipe.needs_public)
    for stage in recipe.stages:
        if isinstance(stage, Prune):
            prune(network, stage, shape)
        elif isinstance(stage, Generate):
            stage.generator.check(shape, classes)
        elif isinstance(stage, Head):
            network = with_head(network, len(classes), stage, seed=0)
        elif isinstance(stage, Distill):
            network = unset(recipe.architecture, shape, len(classes))
        elif isinstance(stage, Train) and stage.privacy:
            require("opacus")
            refuse_batchnorm(network)


def _run_stages(
    dataset: Dataset, models: list[Model], report: Progress, keep: Keep | None, make: Make
) -> None:
    """Run the remaining stages of the recipe."""
    stages = models[0].job.recipe.stages
    total = sum(stage.epochs for stage in stages if isinstance(stage, Train))
    first = len(models[0].log)
    over = sum(stage.epochs for stage in stages[:first] if isinstance(stage, Train))
    if any(isinstance(stage, Generate) for stage in stages[:first]) and _uses_synthetic(stages[first:]):
        last = max(n for n in range(first) if isinstance(stages[n], Generate))
        for model in models:
            model.synthetic = make(model.job, last)
    for number, stage in enumerate(stages[first:], first):
        for model in models:
            laid_out(model.network)  # as in a model that is read from the store
        going = [model for model in models if not diverged(model.log)]
        for model in (model for model in models if model not in going):
            model.log.append({"stage": stage.stage, "seconds": 0.0})
        if isinstance(stage, Train):
            train = _train_ensembles if isinstance(stage, Ensemble) else _train
            if going:

                def partly(epochs: float, over: int = over) -> None:
                    report((over + epochs) / total)

                train(dataset, going, number, partly)
            over += stage.epochs
        else:
            for model in going:
                _step(dataset, model, number, make)
        if keep:
            for model in models:
                keep(model.job, number, model.trained())


def _uses_synthetic(stages: Sequence[object]) -> bool:
    """Whether a stage trains on synthetic records before others are made."""
    for stage in stages:
        if isinstance(stage, Generate):
            return False
        if isinstance(stage, Train) and stage.on == "synthetic":
            return True
    return False


def _train(dataset: Dataset, models: list[Model], number: int, report: Callable[[float], None]) -> None:
    """Run a training stage: all models at once if they can be stacked."""
    stage = models[0].job.recipe.stages[number]
    assert isinstance(stage, Train)
    shape = dataset.x.shape[1:]
    begun = {model: _beginning(dataset, model, number) for model in models}
    stack = stackable(
        list(begun.values()), stage, shape
    )  # also for one model, so that it is the same bit for bit
    together = [models] if stack else [[model] for model in models]
    for i, part in enumerate(together):

        def partly(epochs: float, i: int = i) -> None:
            report((i * stage.epochs + epochs) / len(together))

        found = material(dataset, part, number)
        if isinstance(stage, Distill):
            for model in part:
                model.network, model.masks = begun[model], {}
        rest = (found, number, partly)
        _freeze(part, isinstance(stage, TrainHead))
        histories = train_stack(part, *rest) if stack else [train_one(part[0], *rest)]
        _freeze(part, False)
        for model, history in zip(part, histories, strict=True):
            model.log.append(history.log(stage.stage))
            if stage.on == "members":
                model.traces = history.traces


def _beginning(dataset: Dataset, model: Model, number: int) -> Network:
    """The network that stage `number` trains: the model's own, or a student's fresh one."""
    student = isinstance(model.job.recipe.stages[number], Distill)
    return new_network(dataset, model.job, number) if student else model.network


def _train_ensembles(
    dataset: Dataset, models: list[Model], number: int, report: Callable[[float], None]
) -> None:
    """Run an ensemble stage: train the networks of all models at once."""
    stage = models[0].job.recipe.stages[number]
    assert isinstance(stage, Ensemble)
    jobs = [network_jobs(model.job) for model in models]
    every = [job for own in jobs for job in own]
    trained: dict[Job, Trained] = {}
    for batch in groups(every, len(every)):  # networks with equally many records

        def partly(fraction: float, over: int = len(trained), size: int = len(batch)) -> None:
            report(stage.epochs * (over + fraction * size) / len(every))

        trained |= dict(zip(batch, train_group(dataset, batch, partly), strict=True))
    for model, own in zip(models, jobs, strict=True):
        model.network = EnsembleNetwork([resume(dataset, job, trained[job]).network for job in own])
        model.log.append(_joint_log([trained[job].log[0] for job in own]))


def _joint_log(logs: list[dict[str, Any]]) -> dict[str, Any]:
    """The log of an ensemble from those of its networks; see `Trained`."""
    lost = diverged(logs)
    return ({"diverged": lost} if lost else {}) | {
        "stage": "ensemble",
        "seconds": sum(log["seconds"] for log in logs),
        "epochs": sum(log["epochs"] for log in logs),
        "train_loss": None if lost else sum(log["train_loss"] for log in logs) / len(logs),
        "dev_losses": [loss for log in logs for loss in log["dev_losses"]],
        "epoch_seconds": [seconds for log in logs for seconds in log["epoch_seconds"]],
    }


def _freeze(models: Sequence[Model], frozen: bool) -> None:
    """Freeze the bodies of networks with a surrogate head, or let them train."""
    for model in models:
        if isinstance(model.network, Headed):
            model.network.body.requires_grad_(not frozen)


def _step(dataset: Dataset, model: Model, number: int, make: Make) -> None:
    """Run a stage that does not train, such as pruning, synthetic records or a surrogate head."""
    stage = model.job.recipe.stages[number]
    started = time.perf_counter()
    if isinstance(stage, Prune):
        device, network = device_of(model.job.engine), model.network.cpu()
        masks = prune(network, stage, dataset.x.shape[1:])
        model.network = network.to(device)
        model.masks = _joined(model, {name: mask.to(device) for name, mask in masks.items()})
        seconds = time.perf_counter() - started
    elif isinstance(stage, Generate):
        model.synthetic = make(model.job, number)
        seconds = model.synthetic.seconds
    elif isinstance(stage, MonteCarlo):
        model.network, model.masks = monte_carlo(model, stage, number).to(device_of(model.job.engine)), {}
        seconds = time.perf_counter() - started
    elif isinstance(stage, Head):
        _put_head(dataset, model, stage, number)
        seconds = time.perf_counter() - started
    else:
        raise InputError(f"unknown stage {stage!r}")
    model.log.append({"stage": stage.stage, "seconds": seconds})


def _put_head(dataset: Dataset, model: Model, stage: Head, number: int) -> None:
    """Put a head on the network, and fit it to the network's logits on the members of the model."""
    headed = with_head(model.network, len(dataset.classes), stage, derive(model.seed, number))
    headed.to(device_of(model.job.engine))
    if stage.depends_on_members:
        x, y = tensors(dataset, [model.job])
        rows = torch.from_numpy(model.job.members).to(y.device)
        z = inferred(model.network, Normaliser(dataset.mean, dataset.std, y.device)(taken(x, rows)))
        fit_head(headed.surrogate, stage, z.double().cpu().numpy(), y[rows].cpu().numpy())
    model.network = headed
    model.masks = {f"body.{name}": mask for name, mask in model.masks.items()}


def _joined(model: Model, masks: dict[str, Tensor]) -> dict[str, Tensor]:
    """The masks of a pruning and of earlier ones, whose layers may have lost channels."""
    weights = dict(model.network.named_parameters())
    before = {name: weights[name].detach() != 0 for name in model.masks}
    return before | {name: mask & before.get(name, torch.ones_like(mask)) for name, mask in masks.items()}


def models_at_once(dataset: Dataset, job: Job) -> int:
    """The number of models in one stack. The networks of an ensemble count separately."""
    model = start(dataset, job)
    if not stackable([model.network], job.recipe.training[0], dataset.x.shape[1:]):
        return 1
    networks = max(stage.networks for stage in job.recipe.training)
    if job.engine.device == "cuda":
        fit = int(room(device_of(job.engine)) // _bytes_in_training(dataset, model))
        return max(1, min(MOST_ON_A_GPU, fit) // networks)
    size = networks * sum(p.numel() * p.element_size() for p in model.network.parameters())
    return max(1, min(MOST // networks, STACK_BYTES // size))


def _bytes_in_training(dataset: Dataset, model: Model) -> int:
    """The bytes of a model in a stack: weights, gradients, two moments; and a batch with its activations twice."""
    weights = sum(p.numel() for p in model.network.parameters())
    batch = max(stage.batch_size for stage in model.job.recipe.training)
    units = math.prod(dataset.x.shape[1:]) + sum(
        p.shape[0] for p in model.network.parameters() if p.ndim == 1
    )
    return 4 * (4 * weights + 3 * batch * units)
