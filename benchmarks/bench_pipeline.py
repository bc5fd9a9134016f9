"""What do the stages of SynthShield cost beyond their arithmetic, and a sensitivity beyond plain queries?

Three ratios, each measured in one run, alternating:
- a model that is trained, pruned and fine-tuned on synthetic records, to its two trainings run by themselves
  (the records at hand, nothing pruned): the limit is 1.2;
- ten noisy answers a record to one plain answer: the limit is 12;
- the peak memory of a study with 32 models to that of one with 8.

    python benchmarks/bench_pipeline.py [repeats]

The part on Location-30 needs its file in the folder that LEAKBENCH_DATA names.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from leakbench.data.load import load
from leakbench.generators import GENERATORS
from leakbench.train.job import Job
from leakbench.train.query import query, query_noise
from leakbench.train.recipe import Architecture, Finetune, Generate, Prune, Recipe, Train
from leakbench.train.settings import Optimiser
from leakbench.train.stages import synthetic, train_group

K = 8
TRAIN = Train(epochs=10, batch_size=128, optimiser=Optimiser("adam", lr=1e-3))
FINETUNE = {"epochs": 10, "batch_size": 128, "optimiser": Optimiser(lr=1e-3), "l1": 1e-4}


def seconds(function, *arguments, **options) -> float:
    started = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - started


def jobs(dataset, stages, architecture) -> list[Job]:
    rng, pool = np.random.default_rng(0), dataset.parts["pool"]
    none = np.empty(0, np.int64)
    recipe = Recipe(architecture, stages)
    return [Job(recipe, rng.choice(pool, len(pool) // 2, replace=False), none, seed) for seed in range(K)]


def pipeline(dataset, architecture, repeats: int) -> None:
    """The whole pipeline, its synthetic records being there, against its two trainings."""
    generate = Generate(generator=GENERATORS.make("bootstrap"))
    stages = (TRAIN, Prune(sparsity=0.6), generate, Finetune(on="synthetic", **FINETUNE))
    whole = jobs(dataset, stages, architecture)
    apart = [jobs(dataset, (stage,), architecture) for stage in (TRAIN, Train(**FINETUNE))]
    made = {job.seed: synthetic(dataset, job, 2) for job in whole}

    def run_whole() -> None:
        train_group(dataset, whole, make=lambda job, number: made[job.seed])

    def run_apart() -> None:
        for each in apart:
            train_group(dataset, each)

    show(
        f"{dataset.name} {architecture.name}, {K} models: pipeline / its trainings",
        run_whole,
        run_apart,
        repeats,
    )


def sensitivity(dataset, architecture, repeats: int) -> None:
    """Ten noisy copies of each record against the record."""
    (trained,) = train_group(dataset, jobs(dataset, (Train(epochs=1),), architecture)[:1])
    about = (dataset.x, len(dataset.classes), architecture, trained.weights, np.arange(len(dataset.x)))
    normal = {"mean": dataset.mean, "std": dataset.std}
    show(
        f"{dataset.name} {architecture.name}: 10 noisy answers / 1 answer",
        lambda: query_noise(*about, 10, 1e-3, 0, **normal),
        lambda: query(*about, **normal),
        repeats,
    )


def show(what: str, ours, base, repeats: int) -> None:
    ours(), base()  # once untimed
    ratios, times = [], []
    for _ in range(repeats):
        a, b = seconds(ours), seconds(base)
        ratios.append(a / b)
        times.append((a, b))
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    low, high = min(ratios), max(ratios)
    print(
        f"{what}: {a:.2f} s / {b:.2f} s = {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})",
        flush=True,
    )


STUDY = """
import resource, sys, leakbench
table = {"data": {"name": "digits"}, "design": {"name": "random_half", "models": int(sys.argv[1])},
         "stages": [{"stage": "train", "epochs": 3}], "query": {"noise": 10},
         "defences": [{"name": "synthshield", "epochs": 2, "generator": "bootstrap"}], "attacks": ["loss", "lira"]}
leakbench.run(leakbench.Study.of(table), sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def memory() -> None:
    """Peak resident memory of a study in a process of its own."""
    peaks = {}
    for models in (8, 32):
        with tempfile.TemporaryDirectory() as store:
            command = [sys.executable, "-c", STUDY, str(models), store]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks[models] = float(out.stdout.split()[-1])
    ratio = peaks[32] / peaks[8]
    print(f"digits, peak memory: 32 models {peaks[32]:.0f} MiB / 8 models {peaks[8]:.0f} MiB = {ratio:.2f}")


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, median (range) of {repeats} repeats"
    )
    digits = load("digits")
    pipeline(digits, Architecture(hidden=(256, 128)), repeats)
    pipeline(digits, Architecture("cnn"), repeats)
    sensitivity(digits, Architecture("cnn"), repeats)
    memory()
    if os.environ.get("LEAKBENCH_DATA") is None:
        print("location30: skipped, LEAKBENCH_DATA is not set")
        return
    location = load("location30")
    pipeline(location, Architecture("column_fc"), repeats)
    sensitivity(location, Architecture("column_fc"), repeats)


if __name__ == "__main__":
    main()
