"""How much faster are 32 MLPs trained as one stack than by one DataLoader loop per model?

The loop is the form that peers use: a DataLoader without workers over a TensorDataset of the model's records, a
module, torch's optimiser. Both train the same architectures on the same members for the same epochs in one run,
alternating; of the loop only a few models are timed and the time is scaled to 32. Run with

    python benchmarks/bench_training.py [repeats]

The MNIST part needs the folder `mnist/` with its four idx files (gz) below the folder that LEAKBENCH_DATA names.
"""

import gzip
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from leakbench.data.dataset import Dataset
from leakbench.train.architectures import initialised, unset
from leakbench.train.draws import generator
from leakbench.train.job import Job
from leakbench.train.recipe import Architecture, Recipe, Train
from leakbench.train.stages import train_group

K = 32  # models in the stack
LOOPED = 3  # models that the loop trains in each repeat; its time is scaled to K
NAMES = tuple("0123456789")


def digits() -> Dataset:
    data = load_digits()
    return Dataset("digits", (data.data / 16).astype(np.float32), data.target.astype(np.int64), NAMES, {})


def mnist(folder: Path) -> Dataset:
    x = np.frombuffer(
        gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16
    )
    y = np.frombuffer(
        gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8
    )
    return Dataset("mnist", x.reshape(-1, 784).astype(np.float32) / 255, y.astype(np.int64), NAMES, {})


def loop(dataset: Dataset, job: Job) -> None:
    """The peers' form: one model, batches from a DataLoader."""
    stage = job.recipe.stages[0]
    records = TensorDataset(torch.tensor(dataset.x[job.members]), torch.tensor(dataset.y[job.members]))
    loader = DataLoader(records, stage.batch_size, shuffle=True, num_workers=0)
    network = unset(job.recipe.architecture, dataset.x.shape[1:], len(dataset.classes))
    initialised(network, generator(job.seed, "init"))
    optimiser = torch.optim.SGD(network.parameters(), stage.optimiser.lr, stage.optimiser.momentum)
    for _ in range(stage.epochs):
        for x, y in loader:
            optimiser.zero_grad()
            cross_entropy(network(x), y).backward()
            optimiser.step()


def seconds(function, *arguments) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def compare(dataset: Dataset, hidden: tuple[int, ...], members: int, epochs: int, repeats: int) -> None:
    recipe = Recipe(Architecture(hidden=hidden), (Train(epochs=epochs),))
    rng = np.random.default_rng(0)
    none = np.empty(0, np.int64)
    jobs = [Job(recipe, rng.permutation(len(dataset.x))[:members], none, seed) for seed in range(K)]
    loop(dataset, jobs[0])  # both once untimed: imports and allocations
    train_group(dataset, jobs)
    stack, alone = [], []
    for _ in range(repeats):
        stack.append(seconds(train_group, dataset, jobs))
        alone.append(sum(seconds(loop, dataset, job) for job in jobs[:LOOPED]) * K / LOOPED)
    ratios = sorted(a / s for a, s in zip(alone, stack, strict=True))
    widths = "-".join(map(str, (dataset.x.shape[1], *hidden, len(dataset.classes))))
    print(
        f"{dataset.name} {widths}, {K} models, {members} records, {epochs} epochs, batch 64: "
        f"stacked {statistics.median(stack):.2f} s, loop {statistics.median(alone):.1f} s "
        f"(scaled from {LOOPED} models), {statistics.median(ratios):.1f}x ({ratios[0]:.1f} to {ratios[-1]:.1f})",
        flush=True,
    )


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, median (range) of {repeats} repeats"
    )
    compare(digits(), (64, 32), 900, 10, repeats)
    data = os.environ.get("LEAKBENCH_DATA")
    if data is None:
        print("mnist: skipped, LEAKBENCH_DATA is not set")
        return
    compare(mnist(Path(data) / "mnist"), (128, 64), 5_000, 1, repeats)


if __name__ == "__main__":
    main()
