"""How fast models train with one thread and with all, and so how many processes pay."""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from threadpoolctl import threadpool_limits

from .executors.local import cores
from .models import Workshop
from .train.job import Job
from .train.recipe import Recipe
from .train.stages import models_at_once, train_group

BATCHES = 4  # of the one epoch that is timed
STARTING = 15.0  # seconds until a helper has imported torch and read its data


def processes_that_pay(workshop: Workshop, recipes: Sequence[Recipe]) -> int:
    """One process, or one a core with one thread each: what promises to train the missing models earlier.

    It is measured on a group of the first recipe's models, and taken to be alike for the others.
    """
    missing = [job for recipe in recipes for job in workshop.missing(recipe)]
    if cores() == 1 or len(missing) < 2:
        return 1
    job = missing[0]
    group = _short(missing[: min(workshop.group_size, models_at_once(workshop.dataset, job))])
    _seconds(workshop, group, cores())  # the first time is slower
    all_threads, one_thread = (_seconds(workshop, group, threads) for threads in (cores(), 1))
    growth = len(job.members) / len(group[0].members) * sum(stage.epochs for stage in job.recipe.training)
    alone = all_threads / len(group) * growth * len(missing)
    together = STARTING + alone * one_thread / (all_threads * cores())
    return cores() if together < alone else 1


def _short(jobs: Sequence[Job]) -> list[Job]:
    """Jobs of the same recipe as the first, on a few batches of their records for one epoch."""
    recipe = jobs[0].recipe
    stage = recipe.training[0]
    short = replace(recipe, stages=(replace(stage, epochs=1),))
    return [
        replace(job, recipe=short, members=job.members[: BATCHES * stage.batch_size])
        for job in jobs
        if job.recipe == recipe
    ]


def _seconds(workshop: Workshop, jobs: Sequence[Job], threads: int) -> float:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            began = time.perf_counter()
            train_group(workshop.dataset, jobs)
            return time.perf_counter() - began
    finally:
        torch.set_num_threads(before)
