"""Measures, on short samples of training, the time of the work and the fastest number of models at once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..data.dataset import Dataset, Indices
from .job import Job
from .recipe import Train
from .run_stages import models_at_once, train_group

BATCHES = 4  # of the one epoch that is timed
REPEATS, LONG_ENOUGH = 5, 0.03  # samples of one size at most; seconds after which there is no further one
LEAST = 1.0  # seconds of training below which to measure sizes takes longer than it saves
WORTH = 1.05  # slowdown at which a smaller group is still taken: small groups are shared more evenly


def shortened(jobs: Sequence[Job], batches: int, epochs: int) -> list[Job]:
    """The same jobs, but on so many batches of their records, and every stage for at most so many epochs."""
    recipe = jobs[0].recipe
    stages = tuple(
        replace(s, epochs=min(epochs, s.epochs)) if isinstance(s, Train) else s for s in recipe.stages
    )
    short = replace(recipe, stages=stages)
    size = batches * max(stage.batch_size for stage in recipe.training)
    return [replace(job, recipe=short, members=_spread(job.members, size)) for job in jobs]


def beginnings(jobs: Sequence[Job]) -> list[Job]:
    """Samples of the jobs' first stage that trains."""
    first = jobs[0].recipe.kept[0]
    return shortened([job.until(first) for job in jobs], BATCHES, epochs=1)


def seconds_each(dataset: Dataset, jobs: Sequence[Job]) -> float:
    """The training time per job, if all are trained at once; without the time to start."""
    return float(train_group(dataset, jobs)[0].log[-1]["seconds"])


def fastest_group(dataset: Dataset, jobs: Sequence[Job]) -> int:
    """How many of the jobs, which are alike, to train at once: the fastest number, or fewer if nearly as fast.

    Sizes are powers of two, measured from 1 up until two in a row are slower. Little work is trained all at once. The
    size does not change any result.
    """
    most = min(models_at_once(dataset, jobs[0]), len(jobs))
    if most == 1:
        return 1
    samples = beginnings(jobs[:most])
    first = seconds_each(dataset, samples[:1])  # slower than the later ones
    share = samples[0].recipe.passes * len(samples[0].members) / jobs[0].recipe.passes / len(jobs[0].members)
    if first / share * len(jobs) < LEAST:
        return most
    each: dict[int, float] = {}
    for size in (2**n for n in range(most.bit_length())):
        each[size] = _fastest(dataset, samples[:size])
        worth = [size for size in each if each[size] <= WORTH * min(each.values())]
        if size > 2 * worth[-1]:
            break
    return worth[0]


def _fastest(dataset: Dataset, jobs: Sequence[Job]) -> float:
    """The training time per job, the shortest of up to REPEATS samples."""
    times: list[float] = []
    while len(times) < REPEATS and sum(times) * len(jobs) < LONG_ENOUGH:
        times.append(seconds_each(dataset, jobs))
    return min(times)


def _spread(rows: Indices, size: int) -> Indices:
    """At most `size` of the rows, evenly spread, so that sorted records are not of one class only."""
    return rows if len(rows) <= size else rows[np.linspace(0, len(rows) - 1, size).astype(np.int64)]
