"""How many models to train at once: by what samples of the work take."""

import numpy as np
import pytest

from leakbench.train import autotune_group_size as samples
from leakbench.train.autotune_group_size import beginnings, fastest_group, seconds_each, shortened
from leakbench.train.recipe import Architecture, Finetune, Prune, Recipe, Train

SMALL = Architecture(hidden=(8,))
STAGE = Train(epochs=7, batch_size=16)


@pytest.fixture
def timed(monkeypatch):
    """Makes each model of a group take what a table of sizes says."""

    def by(table):
        asked = []

        def seconds_each(dataset, jobs):
            asked.append(len(jobs))
            return table[len(jobs)]

        monkeypatch.setattr(samples, "seconds_each", seconds_each)
        return asked

    return by


@pytest.mark.parametrize(
    ("table", "size"),
    [
        ({1: 1.0, 2: 0.6, 4: 0.5, 8: 0.49}, 4),  # 8 is hardly faster
        ({1: 1.0, 2: 1.2, 4: 1.1, 8: 1.3}, 1),
        ({1: 1.0, 2: 0.9, 4: 0.87, 8: 0.84}, 4),  # each doubling is worth little, both together are not
        ({1: 1.0, 2: 0.9, 4: 0.8, 8: 0.7}, 8),  # there are no more than 9
    ],
)
def test_the_smallest_group_that_is_nearly_the_fastest_is_taken(digits, make_jobs, timed, table, size):
    timed(table)
    assert fastest_group(digits, make_jobs(Recipe(SMALL, (STAGE,)), 9)) == size


def test_little_work_is_trained_at_once(digits, make_jobs, timed):
    jobs = make_jobs(Recipe(SMALL, (STAGE,)), 9)
    share = (
        samples.BATCHES * STAGE.batch_size / len(jobs[0].members) / STAGE.epochs
    )  # of a job, in its sample
    asked = timed({1: 0.9 * samples.LEAST * share / 9, 2: 1.0, 4: 1.0, 8: 1.0})
    assert fastest_group(digits, jobs) == 9 and asked == [1]
    asked = timed({1: 1.1 * samples.LEAST * share / 9, 2: 1.0, 4: 1.0, 8: 1.0})
    assert fastest_group(digits, jobs) == 1 and asked[:2] == [1, 1]


def test_networks_that_are_not_stacked_are_not_measured(digits, make_jobs, timed):
    asked = timed({})
    assert fastest_group(digits, make_jobs(Recipe(Architecture("wrn", depth=10, width=1), (STAGE,)), 4)) == 1
    assert asked == []


def test_samples_are_a_few_batches_of_the_first_stage(make_jobs):
    recipe = Recipe(SMALL, (STAGE, Prune(), Finetune(epochs=3)))
    (job,) = make_jobs(recipe, 1)
    (sample,) = beginnings([job])
    assert sample.recipe.stages == (Train(epochs=1, batch_size=16),)
    assert len(sample.members) == samples.BATCHES * 16 and set(sample.members) <= set(job.members)
    (longer,) = shortened([job], 1000, epochs=2)
    assert np.array_equal(longer.members, job.members)
    assert [stage.epochs for stage in longer.recipe.training] == [2, 2]


def test_what_a_sample_takes_is_its_own_share(digits, make_jobs):
    jobs = beginnings(make_jobs(Recipe(SMALL, (STAGE,)), 4))
    assert 0 < seconds_each(digits, jobs) < 10
