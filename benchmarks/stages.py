"""What the stages of SynthShield cost beyond their arithmetic, DP-SGD and an adversary beyond plain training, and a
sensitivity beyond plain queries.

The other way is the bare work: a ratio of 1 means that nothing is added. A pipeline is train, prune, fine-tune on
synthetic records that are at hand; the bare work is its two trainings, L1 penalty included. SAMIA makes
ten noisy queries per record; the bare work is one plain query.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from ratios import Ratio, in_turns

from leakbench.data.load import load
from leakbench.generators import GENERATORS
from leakbench.train import run_stages
from leakbench.train.job import Job
from leakbench.train.query import predict_logits, predict_noisy_logits
from leakbench.train.recipe import Architecture, Finetune, Generate, Prune, Recipe, Train
from leakbench.train.recipe.settings import Adversary, Optimiser, Privacy
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
        yield from of_single_records(dataset, architecture)


def jobs(dataset, stages, architecture) -> list[Job]:
    rng, pool = np.random.default_rng(0), dataset.parts["pool"]
    recipe = Recipe(architecture, stages)
    orders = [rng.permutation(pool) for _ in range(K)]
    half = len(pool) // 2
    return [Job(recipe, order[:half], order[half : half + 100], seed) for seed, order in enumerate(orders)]


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


def of_single_records(dataset, architecture) -> Iterator[Ratio]:
    """DP-SGD and adversarial regularisation against plain training, and DP-SGD by Opacus against ours."""
    short = replace(TRAIN, epochs=2)
    plain = jobs(dataset, (short,), architecture)
    private = jobs(dataset, (replace(short, privacy=Privacy(1.0)),), architecture)
    against = jobs(dataset, (replace(short, adversary=Adversary(1.0, reference="dev")),), architecture)

    def run(of: list[Job]) -> Callable[[], object]:
        return lambda: train_group(dataset, of)

    def by_opacus() -> None:
        with patch.object(run_stages, "stackable", lambda *_: False):
            train_group(dataset, private[:1])

    what = f"{dataset.name} {architecture.name}"
    yield Ratio(PART, f"{what}, {K} models: DP-SGD / plain training", *in_turns(run(private), run(plain), 3))
    yield Ratio(
        PART,
        f"{what}, {K} models: with an adversary / plain training",
        *in_turns(run(against), run(plain), 3),
    )
    yield Ratio(PART, f"{what}, 1 model: DP-SGD / by Opacus", *in_turns(run(private[:1]), by_opacus, 3))


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
