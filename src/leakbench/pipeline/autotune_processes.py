"""How many processes are fastest, measured on a sample of the work."""

import time
from collections.abc import Sequence

from ..core.cpu import cores
from ..train.autotune_group_size import beginnings, seconds_each
from ..train.job import groups
from ..train.recipe import CodeRecipe, Recipe
from .train import Trainer

FEW = 8  # models that are trained for the sample
LONGEST_START = 5.0  # seconds, where this process did something else before
START = min(time.process_time(), LONGEST_START)  # of a worker: the time of this process up to this line


def fastest_processes(trainer: Trainer, recipes: Sequence[Recipe]) -> int:
    """The fastest number of processes for the missing models: one, or one per core. Each trains in one thread.

    Code of the user's is not measured: one process per core trains it.

    A few models of the first recipe are measured, so that workers can start while the best size of a group is
    measured. The time of a pass over the members is taken to be the same for all recipes.
    """
    missing = [job for recipe in recipes for job in trainer.missing(recipe)]
    if cores() == 1 or len(missing) < 2 or trainer.engine.device == "cuda":  # one process fills a GPU
        return 1
    if isinstance(missing[0].recipe, CodeRecipe):  # no part of it can be measured
        return cores()
    alike = groups([job for job in missing if job.recipe == missing[0].recipe], len(missing))[0]
    group = beginnings(alike[: min(FEW, trainer.group_size or FEW)])
    seconds_each(trainer.dataset, group)  # the first time is slower
    growth = len(alike[0].members) / len(group[0].members)
    one_pass = growth * seconds_each(trainer.dataset, group) / group[0].recipe.passes
    alone = one_pass * sum(job.recipe.passes for job in missing)
    return cores() if alone > START else 1
