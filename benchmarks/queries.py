"""Outputs of many models against queries one after the other from a DataLoader, 64 records at a time."""

from collections.abc import Iterator

import numpy as np
import torch
from ratios import Ratio, in_turns
from torch.utils.data import DataLoader, TensorDataset

from leakbench.data.dataset import Dataset
from leakbench.data.load import load
from leakbench.train.job import Job
from leakbench.train.networks.build import loaded
from leakbench.train.query import predict_logits
from leakbench.train.recipe import Architecture, Recipe, Train
from leakbench.train.run_stages import train_group

PART = "Queries"


def ratios() -> Iterator[Ratio]:
    """A multi-layer perceptron and a small CNN."""
    yield queries(load("mnist", records=20_000), Architecture(hidden=(128, 64)))
    yield queries(load("cifar10", records=4000), Architecture("cnn"))


def queries(dataset: Dataset, architecture: Architecture) -> Ratio:
    """One view of every record."""
    none = np.empty(0, np.int64)
    job = Job(Recipe(architecture, (Train(epochs=1),)), dataset.parts["pool"][:1000], none, 0)
    (trained,) = train_group(dataset, [job])
    shape, classes = dataset.x.shape[1:], len(dataset.classes)
    rows = np.arange(len(dataset.x))
    network = loaded(architecture, shape, classes, trained.weights)
    loader = DataLoader(TensorDataset(torch.tensor(dataset.x)), batch_size=64)
    mean, std = (torch.tensor(v or d).view(1, -1, *[1] * (len(shape) - 1)) for v, d in stats(dataset))

    def ours() -> np.ndarray:
        return predict_logits(
            dataset.x, classes, architecture, trained.weights, rows, mean=dataset.mean, std=dataset.std
        )[0]

    @torch.no_grad()
    def theirs() -> np.ndarray:
        return torch.cat([network((x - mean) / std) for (x,) in loader]).numpy()

    np.testing.assert_allclose(ours(), theirs(), atol=1e-4)
    what = f"{dataset.name} {architecture.name}, {len(rows):,} records: large batches / a DataLoader"
    return Ratio(PART, what, *in_turns(ours, theirs, 7))


def stats(dataset: Dataset) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Mean and standard deviation with what stands for none."""
    return [(dataset.mean, (0.0,)), (dataset.std, (1.0,))]
