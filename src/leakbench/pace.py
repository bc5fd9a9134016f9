"""How fast models train, from samples of the work itself; and so how many processes pay."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .cores import cores, threads
from .data.dataset import Indices
from .models import Workshop
from .train.job import Job
from .train.recipe import Recipe, Train
from .train.stages import train_group

BATCHES = 4  # of the one epoch that is timed
LONGEST_START = 15.0  # seconds, of a helper; a process that has long been at work cannot tell


def processes_that_pay(workshop: Workshop, recipes: Sequence[Recipe]) -> int:
    """One process, or one a core with one thread each: what promises to train the missing models earlier.

    It is measured on a group of the first recipe's models; a pass over the members is taken to be alike for all. A
    helper has to start before it helps: that takes what this process, which has come as far, has spent.
    """
    starting = min(time.process_time(), LONGEST_START)
    missing = [job for recipe in recipes for job in workshop.missing(recipe)]
    if cores() == 1 or len(missing) < 2:
        return 1
    first = missing[0].recipe
    size = workshop.at_once(missing[0])
    alike = [job.until(first.kept[0]) for job in missing if job.recipe == first][:size]
    group = shortened(alike, BATCHES, epochs=1)
    _seconds(workshop, group, cores())  # the first time is slower
    all_threads, one_thread = (_seconds(workshop, group, threads) for threads in (cores(), 1))
    growth = len(alike[0].members) / len(group[0].members)
    one_pass = growth * all_threads / (len(group) * group[0].recipe.passes)
    alone = one_pass * sum(job.recipe.passes for job in missing)
    helped = alone * one_thread / all_threads - starting  # what is left when the helpers come
    together = starting + helped / cores()
    return cores() if together < alone else 1


def shortened(jobs: Sequence[Job], batches: int, epochs: int) -> list[Job]:
    """The same jobs, but on so many batches of their records, and every stage for at most so many epochs."""
    recipe = jobs[0].recipe
    stages = tuple(
        replace(s, epochs=min(epochs, s.epochs)) if isinstance(s, Train) else s for s in recipe.stages
    )
    short = replace(recipe, stages=stages)
    size = batches * max(stage.batch_size for stage in recipe.training)
    return [replace(job, recipe=short, members=_spread(job.members, size)) for job in jobs]


def _spread(rows: Indices, size: int) -> Indices:
    """At most `size` of the rows, evenly spread: of sorted records not one class alone."""
    return rows if len(rows) <= size else rows[np.linspace(0, len(rows) - 1, size).astype(np.int64)]


def _seconds(workshop: Workshop, jobs: Sequence[Job], n: int) -> float:
    with threads(n):
        began = time.perf_counter()
        train_group(workshop.dataset, jobs)
        return time.perf_counter() - began
