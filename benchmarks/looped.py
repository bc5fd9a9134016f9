"""Shadow models as other tools train them, in a process of its own: one after the other, from a DataLoader.

Reads a study as JSON; prints seconds and accuracies of some of its models, and the number of loader workers that is
fastest here, as JSON. Run by `training.py` and imported by `gpu.py`.
"""

import json
import sys
import tempfile
import time

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from leakbench.data.dataset import Dataset
from leakbench.pipeline.steps import open_trainer
from leakbench.pipeline.study import Study
from leakbench.train.job import Job
from leakbench.train.networks.build import initialised, unset

LOOPED = 3  # models that are timed
WORKERS = (0, 2)


def loop(dataset: Dataset, job: Job, workers: int, device: torch.device | str = "cpu") -> torch.nn.Module:
    """One model."""
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


@torch.no_grad()
def test_accuracy(dataset: Dataset, network: torch.nn.Module) -> float:
    """Of one network, on the test part."""
    test = dataset.parts["test"]
    z = network.eval()(normalised(dataset, torch.tensor(dataset.x[test])))
    return float((z.argmax(dim=1).numpy() == dataset.y[test]).mean())


def main(study: Study) -> dict[str, object]:
    """Seconds and accuracy of each of the first models."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = open_trainer(study, folder)
    dataset, jobs = trainer.dataset, trainer.jobs(study.recipe)[:LOOPED]
    tried: dict[int, float] = {}
    for workers in (*WORKERS, *WORKERS):  # twice: warm
        began = time.perf_counter()
        loop(dataset, jobs[0], workers)
        tried[workers] = time.perf_counter() - began
    workers = min(tried, key=lambda n: tried[n])
    found: dict[str, list[float]] = {"seconds": [], "accuracies": []}
    for job in jobs:
        began = time.perf_counter()
        network = loop(dataset, job, workers)
        found["seconds"].append(time.perf_counter() - began)
        found["accuracies"].append(test_accuracy(dataset, network))
    return {**found, "workers": workers}


if __name__ == "__main__":
    print(json.dumps(main(Study.of(json.load(sys.stdin)))))
