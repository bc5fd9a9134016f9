"""A study's models against the form that peers train shadow models in: one after the other, from a DataLoader.

Ours is what a run does: models in stacks, in as many processes as a short measurement favours, which is part of the
time, as are the start of the workers and the writing of the store. Theirs (`looped.py`) has a process to itself and the
number of loader workers that is fastest here; some of its models are timed, and stand for all. Both train the same
networks on the same records for the same epochs; the note tells the precision of ours, and both accuracies, which no
time includes. Theirs trains in float32.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ratios import Ratio, seconds

from leakbench.core.process_memory import trained_in
from leakbench.pipeline.autotune_processes import fastest_processes
from leakbench.pipeline.executors.local import LocalExecutor
from leakbench.pipeline.steps import open_trainer
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import Trainer
from leakbench.train.query import predict_logits

PART = "Training"
REPEATS = 5
LOOKED_AT = 3  # models whose accuracy is told
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
    "CIFAR-10, a CNN of 32 and 64 channels": (
        "cifar10",
        16,
        {"name": "cnn", "channels": [32, 64]},
        {"epochs": 3, "batch_size": 64, "optimiser": ADAM},
        {"records": 8000},
    ),
    "CIFAR-10, ResNet-9": (
        "cifar10",
        8,
        {"name": "resnet9"},
        {"epochs": 2, "batch_size": 64, "optimiser": ADAM},
        {"records": 512},
    ),
}


def ratios() -> Iterator[Ratio]:
    """Training on each of the data sets."""
    for what, (data, models, architecture, stage, options) in STUDIES.items():
        table = {"data": {"name": data, **options}, "architecture": architecture, "stages": [stage]}
        whole, half = (
            Study.of(table | {"design": {"name": "random_half", "models": n}}) for n in (models, models // 2)
        )
        yield training(what, models, whole, half)


def training(what: str, models: int, study: Study, half: Study) -> Ratio:
    """Every model of a study, both ways; from `half` of it what each further model takes."""
    processes: set[int] = set()
    weights = ours(study, processes)  # the first time is slower
    times: list[float] = []
    theirs: list[dict[str, Any]] = []
    for _ in range(REPEATS):
        times.append(seconds(lambda: ours(study, processes)))
        theirs.append(looped(study))
    halves = [seconds(lambda: ours(half, set())) for _ in range(3)]
    their_times = [models * float(np.mean(each["seconds"])) for each in theirs]
    further = np.median(their_times) / 2 / (np.median(times) - np.median(halves))
    accuracies = f"{accuracy(study, weights):.3f} and {np.mean([each['accuracies'] for each in theirs]):.3f}"
    timed, workers = len(theirs[0]["seconds"]), sorted({each["workers"] for each in theirs})
    note = f"{models} models; {timed} of theirs, x{models / timed:.0f}; {told(processes)} processes, {told(workers)} "
    note += f"loader workers; {precision(study)}; each further model {further:.1f}x; accuracy {accuracies}"
    return Ratio(PART, f"{what}: a study / one model at a time", times, their_times, note)


def ours(study: Study, processes: set[int]) -> list[dict[str, np.ndarray]]:
    """Train a study's models into a store; the weights of the first of them."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = open_trainer(study, folder)
        executor = LocalExecutor(fastest_processes(trainer, [study.recipe]))
        processes.add(executor.processes)
        with executor.start_workers(study.describe(), trainer.store.place), trained_in():
            trainer.train([study.recipe])
        return [weights_of(trainer, study, m) for m in range(LOOKED_AT)]


def precision(study: Study) -> str:
    """The precision of ours; theirs is float32."""
    with tempfile.TemporaryDirectory() as folder:
        return open_trainer(study, folder).engine_of(study.recipe).precision


def weights_of(trainer: Trainer, study: Study, m: int) -> dict[str, np.ndarray]:
    """Of model m."""
    return dict(trainer.models(study.recipe)[m].tensors("weights.safetensors"))


def looped(study: Study) -> dict[str, Any]:
    """What `looped.py` finds."""
    command = [sys.executable, str(Path(__file__).with_name("looped.py"))]
    done = subprocess.run(
        command, input=json.dumps(study.describe()), capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def accuracy(study: Study, weights: list[dict[str, np.ndarray]]) -> float:
    """Of models with these weights, on the test part."""
    with tempfile.TemporaryDirectory() as folder:
        data = open_trainer(study, folder).dataset
    test, about = data.parts["test"], (data.x, len(data.classes), study.recipe.architecture)
    outputs = [predict_logits(*about, each, test, mean=data.mean, std=data.std)[0] for each in weights]
    return float(np.mean([(z.argmax(axis=1) == data.y[test]).mean() for z in outputs]))


def told(numbers: set[int] | list[int]) -> str:
    """1 or 2."""
    return " or ".join(map(str, sorted(numbers)))
