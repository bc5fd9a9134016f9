"""Students that an attacker distils from models: what they predict on other records after each epoch."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.dataset import Dataset, Indices
from .device import at_work
from .job import Job
from .learners import train_one
from .model import inferred, start
from .recipe import Recipe, Train
from .recipe.engine import Engine
from .run_stages import models_at_once
from .stacked.engine import stackable, train_stack
from .stage_data import material, public_rows, taken

Array = NDArray[np.float64]


def student_recipe(base: Recipe, epochs: int) -> Recipe:
    """The recipe of a student: the architecture of `base`, a stage for each of its epochs on public records.

    Batches and optimiser are those of the first stage of `base` that trains. The optimiser starts anew each epoch.
    """
    first = base.training[0]
    stage = Train(on="public", epochs=1, batch_size=first.batch_size, optimiser=first.optimiser)
    return Recipe(base.architecture, (stage,) * epochs)


def trajectories(
    dataset: Dataset,
    recipe: Recipe,
    teachers: Sequence[Array],
    rows: Indices,
    measure: Callable[[Array], Array],
    seed: int,
    engine: Engine,
) -> NDArray[np.float32]:
    """What `measure` makes of the logits of each teacher's student after each stage of its `recipe`.

    A student learns the probabilities of one of M `teachers` on the P public records, and is queried with the records
    `rows`. All students begin alike and see their records in the same order: only what their teachers say differs.

    Shapes: teachers M times [P, C]; measure [N, C] -> [F, N]; -> [M, E F, N] with E stages
    """
    job = Job(recipe, public_rows(dataset, True).numpy(), np.empty(0, np.int64), seed, engine=engine)
    size = models_at_once(dataset, job)
    parts = [teachers[first : first + size] for first in range(0, len(teachers), size)]
    return np.concatenate([_of_group(dataset, job, part, rows, measure) for part in parts])


def _of_group(
    dataset: Dataset, job: Job, teachers: Sequence[Array], rows: Indices, measure: Callable[[Array], Array]
) -> NDArray[np.float32]:
    """`trajectories` of teachers whose students train at once."""
    found = []
    with at_work(job.engine):
        models = [start(dataset, job) for _ in teachers]
        data = material(dataset, models, 0)
        data = replace(data, soft=[torch.from_numpy(soft).float().to(data.device) for soft in teachers])
        records = data.normalise(taken(data.x, torch.from_numpy(rows).to(data.device)))
        together = stackable([m.network for m in models], job.recipe.training[0], dataset.x.shape[1:])
        for number in range(len(job.recipe.stages)):
            if together:
                train_stack(models, data, number, lambda epochs: None)
            else:
                train_one(models[0], data, number, lambda epochs: None)
            logits = [inferred(model.network, records).double().cpu().numpy() for model in models]
            found.append([measure(z).astype(np.float32) for z in logits])
    return np.concatenate(found, axis=1)
