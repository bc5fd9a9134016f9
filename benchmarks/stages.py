"""What the stages of SynthShield cost beyond their arithmetic, and a sensitivity beyond plain queries.

The other way is the bare work: a ratio of 1 means that nothing is added. A pipeline is train, prune, fine-tune on
synthetic records that are at hand; the bare work is its two trainings, L1 penalty included. SAMIA makes
ten noisy queries per record; the bare work is one plain query.
"""

from collections.abc import Iterator

import numpy as np
from ratios import Ratio, in_turns

from leakbench.data.load import load
from leakbench.generators import GENERATORS
from leakbench.train.job import Job
from leakbench.train.query import predict_logits, predict_noisy_logits
from leakbench.train.recipe import Architecture, Finetune, Generate, Prune, Recipe, Train
from leakbench.train.recipe.settings import Optimiser
from leakbench.train.run_stages import synthetic, train_group

PART = "Stages"
REPEATS = 7
K = 8
TRAIN = Train(epochs=10, batch_size=128, optimiser=Optimiser("adam", lr=1e-3))
FINETUNE = {"epochs": 10, "batch_size": 128, "optimiser": Optimiser(lr=1e-3), "l1": 1e-4}


def ratios() -> Iterator[Ratio]:
    """Pipelines and noisy queries on two data sets."""
    for name, architecture in (("digits", Architecture("cnn")), ("location30", Architecture("column_fc"))):
        dataset = load(name)
        yield pipeline(dataset, architecture)
        yield sensitivity(dataset, architecture)


def jobs(dataset, stages, architecture) -> list[Job]:
    rng, pool = np.random.default_rng(0), dataset.parts["pool"]
    none = np.empty(0, np.int64)
    recipe = Recipe(architecture, stages)
    return [Job(recipe, rng.choice(pool, len(pool) // 2, replace=False), none, seed) for seed in range(K)]


def pipeline(dataset, architecture) -> Ratio:
    """The whole pipeline, its synthetic records being there, against its two trainings."""
    generate = Generate(generator=GENERATORS.make("bootstrap"))
    stages = (TRAIN, Prune(sparsity=0.6), generate, Finetune(on="synthetic", **FINETUNE))
    whole = jobs(dataset, stages, architecture)
    apart = [jobs(dataset, (stage,), architecture) for stage in (TRAIN, Train(**FINETUNE))]
    made = {job.seed: synthetic(dataset, job, 2) for job in whole}

    def run_whole() -> None:
        train_group(dataset, whole, make=lambda job, number: made[job.seed])

    def run_apart() -> None:
        for each in apart:
            train_group(dataset, each)

    run_apart()
    what = f"{dataset.name} {architecture.name}, {K} models: a pipeline / its trainings alone"
    return Ratio(PART, what, *in_turns(run_whole, run_apart, REPEATS))


def sensitivity(dataset, architecture) -> Ratio:
    """Ten noisy copies of each record against the record."""
    (trained,) = train_group(dataset, jobs(dataset, (Train(epochs=1),), architecture)[:1])
    about = (dataset.x, len(dataset.classes), architecture, trained.weights, np.arange(len(dataset.x)))
    normal = {"mean": dataset.mean, "std": dataset.std}
    times = in_turns(
        lambda: predict_noisy_logits(*about, 10, 1e-3, 0, **normal),
        lambda: predict_logits(*about, **normal),
        REPEATS,
    )
    return Ratio(PART, f"{dataset.name} {architecture.name}: 10 noisy queries / 1 query", *times)
