"""Training and queries on a GPU, against one model at a time from a DataLoader on the same GPU.

Ours is what a run with `engine = {device = "cuda", precision = "bfloat16", compiled = true}` does, less the store. The
first model of an architecture, with which torch compiles, is reported apart. Arithmetic bounds both: the note shows
the rate as a share of the GPU's rate for a product of two large matrices in bfloat16.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from looped import loop
from ratios import Ratio, in_turns, seconds

from leakbench.data.dataset import Dataset
from leakbench.data.load import DataSpec, load
from leakbench.train.job import Job
from leakbench.train.networks.build import unset
from leakbench.train.query import predict_logits
from leakbench.train.recipe import Architecture, Recipe, Train
from leakbench.train.recipe.engine import Engine
from leakbench.train.recipe.settings import Augment, Optimiser, Schedule
from leakbench.train.run_stages import train_group
from leakbench.train.sizes import sizes

PART = "GPU"
NEEDS = "a GPU"
GPU = Engine("cuda", "bfloat16", compiled=True)
TF32 = Engine("cuda", "tf32")
RECORDS = 25_000  # a model trains on: half of CIFAR-10's training records
STAGE = Train(
    epochs=2,  # of the 24 that a study takes; all cost the same
    batch_size=512,
    optimiser=Optimiser("sgd", lr=0.2, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule("cosine"),
    augment=Augment(shift=2, flip=True),
)
WORKERS = 4


def available() -> bool:
    """Whether there is a GPU."""
    return torch.cuda.is_available()


def ratios() -> Iterator[Ratio]:
    """Convolutional networks one by one, small networks in a stack, and queries."""
    images = load(DataSpec(name="cifar10"))
    reached = product_rate(torch.device("cuda"))
    for name in ("resnet9", "resnet18"):
        yield training(images, Recipe(Architecture(name), (STAGE,)), GPU, reached)
    digits = load(DataSpec(name="mnist", records=20_000))
    yield stacked(
        digits, Recipe(Architecture(hidden=(128, 64)), (Train(epochs=5, batch_size=64),)), 256, TF32
    )
    yield queries(images, Architecture("resnet9"), GPU)


def training(
    dataset: Dataset, recipe: Recipe, engine: Engine, reached: float, records: int = RECORDS
) -> Ratio:
    """Seconds of a model that is trained as others were before it."""
    first, job = (a_job(recipe, dataset, records, seed, engine) for seed in (0, 1))
    compiling = seconds(lambda: train_group(dataset, [first]))
    device, workers = torch.device(engine.device), WORKERS if engine.device == "cuda" else 0
    theirs = partial(loop, dataset, job, workers, device)
    times = in_turns(lambda: train_group(dataset, [job]), theirs, 3)
    work = 3 * 2 * multiply_adds(recipe.architecture, dataset) * records * recipe.passes
    share = work / np.median(times[0]) / reached
    note = f"{records:,} records, {recipe.passes} epochs; {share:.0%} of {reached / 1e12:.0f} TFLOP/s; "
    return Ratio(
        PART, f"{recipe.architecture.name}: a model", *times, f"{note}the first model {compiling:.0f} s"
    )


def stacked(dataset: Dataset, recipe: Recipe, models: int, engine: Engine) -> Ratio:
    """All models at once, against some of them one by one."""
    half = len(dataset.parts["pool"]) // 2
    jobs = [a_job(recipe, dataset, half, seed, engine) for seed in range(models)]
    device = torch.device(engine.device)
    times = in_turns(
        lambda: train_group(dataset, jobs), lambda: loop(dataset, jobs[0], 0, device), 3, scale=models
    )
    return Ratio(
        PART, f"{dataset.name} mlp: {models} models", *times, f"{half:,} records each; 1 of theirs, x{models}"
    )


def queries(dataset: Dataset, architecture: Architecture, engine: Engine) -> Ratio:
    """The logits of a model on all records in two views; a DataLoader's are in one view, x2."""
    job = a_job(Recipe(architecture, (replace(STAGE, epochs=1),)), dataset, 2048, 0, engine)
    weights = train_group(dataset, [job])[0].weights
    rows, device = np.arange(len(dataset.x)), torch.device(engine.device)
    about = (dataset.x, len(dataset.classes), architecture, weights, rows)
    times = in_turns(
        lambda: predict_logits(
            *about, ["identity", "flip"], mean=dataset.mean, std=dataset.std, engine=engine
        ),
        lambda: from_loader(dataset, architecture, weights, device),
        3,
        scale=2,
    )
    return Ratio(PART, f"{architecture.name}: logits of {len(rows):,} records in 2 views", *times)


def a_job(recipe: Recipe, dataset: Dataset, records: int, seed: int, engine: Engine) -> Job:
    """A model of so many records of the pool."""
    members = np.sort(np.random.default_rng(seed).permutation(dataset.parts["pool"])[:records])
    return Job(recipe, members, np.empty(0, np.int64), seed, engine=engine)


@torch.no_grad()
def from_loader(
    dataset: Dataset, architecture: Architecture, weights: dict[str, np.ndarray], device: torch.device
) -> None:
    """The usual way to query: batches of 1,024 from a DataLoader."""
    from torch.utils.data import DataLoader, TensorDataset

    network = unset(architecture, dataset.x.shape[1:], len(dataset.classes))
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    network.eval().to(device)
    for (x,) in DataLoader(TensorDataset(torch.from_numpy(dataset.x)), 1024):
        network(x.to(device)).cpu()


def multiply_adds(architecture: Architecture, dataset: Dataset) -> int:
    """The multiply-adds of one prediction."""
    return sizes(
        unset(architecture, dataset.x.shape[1:], len(dataset.classes)), dataset.x.shape[1:]
    ).multiply_adds


def product_rate(device: torch.device, n: int = 8192, repeats: int = 20) -> float:
    """Floating-point operations a second of a product of two n x n matrices in bfloat16."""
    a = torch.randn(n, n, device=device, dtype=torch.bfloat16)

    def work() -> None:
        for _ in range(repeats):
            product = a @ a
        product[0, 0].item()  # which waits for all of them

    work()
    return repeats * 2 * n**3 / seconds(work)
