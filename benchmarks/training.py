"""A study's models against the form that peers train shadow models in: one after the other, from a DataLoader.

Ours is what a run does: models in stacks, in as many processes as a short measurement favours, which is part of the
time, as are the start of the helpers and the writing of the store. Theirs has the number of loader workers that is
fastest here; of it some models are timed, and stand for all. Both train the same networks on the same records for the
same epochs; the note tells their accuracies.
"""

import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from ratios import Ratio, in_turns, seconds
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from leakbench.data.dataset import Dataset
from leakbench.executors.local import LocalExecutor
from leakbench.models import Workshop
from leakbench.pace import processes_that_pay
from leakbench.running import open_workshop
from leakbench.study import Study
from leakbench.train.architectures import initialised, unset
from leakbench.train.job import Job
from leakbench.train.query import query

PART = "Training"
LOOPED = 3  # models of the others that are timed
WORKERS = (0, 2)
ADAM = {"name": "adam", "lr": 1e-3}
STUDIES = {  # what is trained, by its name
    "digits, 64-64-32-10": ("digits", 256, {"hidden": [64, 32]}, {"epochs": 30, "batch_size": 64}, {}),
    "MNIST, 784-128-64-10": (
        "mnist",
        128,
        {"hidden": [128, 64]},
        {"epochs": 5, "batch_size": 64},
        {"records": 20_000},
    ),
    "Location-30, 446-128-64-30": (
        "location30",
        128,
        {"hidden": [128, 64]},
        {"epochs": 30, "batch_size": 64},
        {},
    ),
    "CIFAR-10, a small CNN": (
        "cifar10",
        64,
        {"name": "cnn"},
        {"epochs": 3, "batch_size": 64, "optimiser": ADAM},
        {"records": 8000},
    ),
}


def ratios() -> Iterator[Ratio]:
    """Training on each of the data sets."""
    for what, (data, models, architecture, stage, options) in STUDIES.items():
        table = {"data": {"name": data, **options}, "architecture": architecture, "stages": [stage]}
        whole, half = (
            Study.of(table | {"design": {"name": "random_half", "models": n}}) for n in (models, models // 2)
        )
        yield training(what, whole, half)


def training(what: str, study: Study, half: Study) -> Ratio:
    """Every model of a study, both ways; from `half` of it what each further model takes."""
    with tempfile.TemporaryDirectory() as folder:
        workshop = open_workshop(study, folder)
    dataset, jobs = workshop.dataset, workshop.jobs(study.recipe)
    timed = {n: seconds(lambda n=n: loop(dataset, jobs[0], n)) for n in (*WORKERS, *WORKERS)}  # twice: warm
    workers = min(timed, key=lambda n: timed[n])
    right: dict[str, list[float]] = {"ours": [], "theirs": []}
    processes = set()

    def ours(study: Study = study) -> None:
        with tempfile.TemporaryDirectory() as folder:
            workshop = open_workshop(study, folder)
            executor = LocalExecutor(processes_that_pay(workshop, [study.recipe]))
            processes.add(executor.processes)
            with executor.helping(study.describe(), workshop.store.place):
                workshop.train([study.recipe])
            right["ours"].append(accuracy(workshop, study))

    def theirs() -> None:
        for job in jobs[:LOOPED]:
            right["theirs"].append(test_accuracy(dataset, loop(dataset, job, workers)))

    times = in_turns(ours, theirs, 5, scale=len(jobs) / LOOPED)
    halves = [seconds(lambda: ours(half)) for _ in range(3)]
    further = np.median(times[1]) / 2 / (np.median(times[0]) - np.median(halves))
    accuracies = " and ".join(f"{np.mean(values):.3f}" for values in right.values())
    note = f"{len(jobs)} models, {len(jobs[0].members):,} records each; {LOOPED} of theirs, x{len(jobs) / LOOPED:.0f}; "
    note += f"{' or '.join(map(str, sorted(processes)))} processes, {workers} loader workers; "
    note += f"each further model {further:.1f}x; accuracy {accuracies}"
    return Ratio(PART, f"{what}: a study / one model at a time", *times, note)


def loop(dataset: Dataset, job: Job, workers: int, device: torch.device | str = "cpu") -> torch.nn.Module:
    """The peers' form: one model, batches from a DataLoader."""
    (stage,) = job.recipe.stages
    records = TensorDataset(torch.tensor(dataset.x[job.members]), torch.tensor(dataset.y[job.members]))
    loader = DataLoader(
        records, stage.batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    network = unset(job.recipe.architecture, dataset.x.shape[1:], len(dataset.classes))
    initialised(network, torch.Generator().manual_seed(job.seed % 2**31)).to(device)
    if stage.optimiser.name == "adam":
        optimiser = torch.optim.Adam(network.parameters(), stage.optimiser.lr)
    else:
        optimiser = torch.optim.SGD(network.parameters(), stage.optimiser.lr, stage.optimiser.momentum)
    for _ in range(stage.epochs):
        for x, y in loader:
            optimiser.zero_grad()
            cross_entropy(network(normalised(dataset, x.to(device))), y.to(device)).backward()
            optimiser.step()
    return network


def normalised(dataset: Dataset, x: torch.Tensor) -> torch.Tensor:
    """As the data set says."""
    if not dataset.mean:
        return x
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, std = (torch.tensor(v, device=x.device).view(shape) for v in (dataset.mean, dataset.std))
    return (x - mean) / std


def accuracy(workshop: Workshop, study: Study) -> float:
    """Of the first models of a study, on the test part."""
    data, test = workshop.dataset, workshop.dataset.parts["test"]
    entries = workshop.models(study.recipe)[:LOOPED]
    about = data.x, len(data.classes), study.recipe.architecture
    answers = [
        query(*about, e.tensors("weights.safetensors"), test, mean=data.mean, std=data.std)[0]
        for e in entries
    ]
    return float(np.mean([(z.argmax(axis=1) == data.y[test]).mean() for z in answers]))


@torch.no_grad()
def test_accuracy(dataset: Dataset, network: torch.nn.Module) -> float:
    """Of one network, on the test part."""
    test = dataset.parts["test"]
    z = network.eval()(normalised(dataset, torch.tensor(dataset.x[test])))
    return float((z.argmax(dim=1).numpy() == dataset.y[test]).mean())
