"""What a run would do, before it does it: what the store holds, what is to be made, how long and how much it takes.

Times and sizes come from samples of the work itself, run here and now: two short epochs of every recipe, answers to
some records, every attack on made-up answers about fewer records. They grow with the records, and with the number of
models or of cases; what attacks take grows along a line through two samples, for much of it does not grow.
"""

import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .attacking import taken_for
from .attacks import Attack
from .attacks.base import TrainedAttack
from .cores import cores, threads
from .data.dataset import Dataset
from .evaluate import Case, attack_all
from .findings import Names, findings
from .models import Workshop
from .pace import processes_that_pay
from .progress import Silent
from .released import unreleased
from .running import attacks_on, make_trials, open_workshop, rehearsed, train_all
from .seeds import stream
from .signals.features import COMPONENTS
from .study import Protected, Query, Study
from .train.job import Trained, groups
from .train.query import query
from .train.recipe import Generate, Recipe, Stage, Train
from .train.recipe.waves import waves
from .train.samples import shortened
from .train.stages import train_group
from .types import Models, Signals

EPOCHS, BATCHES = 2, 4  # of a sample of training
ASKED = 1024  # records in a sample of answers
ATTACKED = (16_000, 64_000)  # pairs of a target and a record in the samples of attacks
FEW, FIRST = 200, 1000  # records that such a sample has at least; pairs in one that does not count


@dataclass(frozen=True)
class Work:
    """One kind of work: how many pieces there are, how many are left, and what these take; None: not measured."""

    what: str
    pieces: int
    left: int
    seconds: float | None = 0.0
    disk: float = 0.0  # bytes that stay
    memory: float = 0.0  # bytes at the height


def forecast(study: Study, store: str | Path, dataset: Dataset | None = None) -> list[Work]:
    """The work of a study in its order. The store is only read: nothing is put there, set aside or removed.

    A `dataset` is the study's own, read before.

    Raises InputError for what `run` would refuse before it trains.
    """
    workshop = open_workshop(study, store, dataset, dry=True)
    recipes = rehearsed(study, workshop.dataset)
    labels: dict[Recipe, list[str]] = {}
    for label, recipe in recipes.items():
        labels.setdefault(recipe, []).append(label)
    found: list[Work] = []
    samples: dict[Recipe, Trained] = {}
    processes = processes_that_pay(workshop, list(labels))
    with threads(max(1, cores() // processes)):
        for recipe in (recipe for wave in waves(list(labels)) for recipe in wave):
            what = ", ".join(labels.get(recipe, ["what several begin with"]))
            work, samples[recipe] = _training(workshop, recipe, list(samples), processes)
            found.append(replace(work, what=f"training: {what}"))
    answers = [_answers(workshop, recipe, study.query, samples[recipe]) for recipe in labels]
    found.append(_together("answers", answers))
    answered = not any(work.left for work in found)
    found += [
        _releases(workshop, d, recipes[d.label], study.query, answered) for d in study.defences if d.made_once
    ]
    attacks = _attacks(study, workshop, processes)
    if not any(work.left for work in found):
        left = _not_attacked(study, workshop, recipes)
        attacks = replace(attacks, left=left, seconds=(attacks.seconds or 0.0) * left / attacks.pieces)
    return [*found, attacks]


def _releases(workshop: Workshop, defence: Protected, recipe: Recipe, asked: Query, answered: bool) -> Work:
    """The released answers of a defence; how long they take is not measured."""
    models = len(workshop.split.members)
    left = models
    if answered:
        left = unreleased(workshop, defence, recipe, workshop.ask(recipe, asked, Silent()))
    return Work(f"released answers: {defence.label}", models, left, None if left else 0.0)


def _not_attacked(study: Study, workshop: Workshop, recipes: Mapping[str, Recipe]) -> int:
    """How many cases are left to attack, of models that are all there."""
    left = train_all(workshop, recipes, Silent())
    trials = make_trials(study, left.workshop, left.recipes, Silent())
    return attacks_on(study, trials, left.workshop, Silent()).left


def _training(
    workshop: Workshop, recipe: Recipe, before: list[Recipe], processes: int
) -> tuple[Work, Trained]:
    """The training of a recipe, less the stages that the store holds or that a recipe `before` it ends with."""
    jobs, missing = workshop.jobs(recipe), workshop.missing(recipe)
    shared = [n for n in recipe.kept if recipe.until(n) in before]
    alike = groups(missing or jobs, len(jobs))[0]
    sampled = shortened(alike[: workshop.at_once(alike)], BATCHES, EPOCHS)
    trained = train_group(workshop.dataset, sampled)[0]
    seconds = disk = 0.0
    for each in missing:
        first = max([workshop.stages_done(each), *(n + 1 for n in shared)])
        seconds += sum(
            _seconds(stage, log, len(each.members) / len(sampled[0].members))
            for stage, log in list(zip(recipe.stages, trained.log, strict=True))[first:]
        )
        kept = sum(n >= first for n in recipe.kept)
        disk += kept * (_bytes(trained.weights) + _bytes(trained.masks)) + _traces(recipe, len(each.members))
    return Work("", len(jobs), len(missing), seconds / processes, disk), trained


def _seconds(stage: Stage, log: dict[str, Any], growth: float) -> float:
    """What a stage takes of one model, from the log of its sample with `growth` times fewer members."""
    on_members = stage.on != "public" if isinstance(stage, Train) else isinstance(stage, Generate)
    longer = stage.epochs / min(EPOCHS, stage.epochs) if isinstance(stage, Train) else 1.0
    return float(log["seconds"]) * longer * (growth if on_members else 1.0)


def _bytes(arrays: dict[str, np.ndarray]) -> int:
    return sum(array.nbytes for array in arrays.values())


def _traces(recipe: Recipe, members: int) -> int:
    """Two bytes for each member and epoch of the last stage that notes them."""
    traced = [stage for stage in recipe.training if stage.traced]
    return 2 * traced[-1].epochs * members if traced else 0


def _answers(workshop: Workshop, recipe: Recipe, asked: Query, sample: Trained) -> Work:
    """The answers of a recipe's models to all records, from those of a sample to some."""
    jobs, data, rows = workshop.jobs(recipe), workshop.dataset, workshop.rows
    left = sum(not workshop.answered(job, asked) for job in jobs)
    few = rows[:ASKED]
    began = time.perf_counter()
    about = (data.x, len(data.classes), recipe.architecture, sample.weights, few)
    logits = query(*about, asked.shown, **workshop.asking)
    copies = 1 + asked.noise / len(asked.shown)
    growth = left * copies * len(rows) / len(few)
    return Work("", len(jobs), left, growth * (time.perf_counter() - began), growth * logits.nbytes)


def _together(what: str, each: list[Work]) -> Work:
    return Work(
        what,
        sum(work.pieces for work in each),
        sum(work.left for work in each),
        sum(work.seconds or 0.0 for work in each),
        sum(work.disk for work in each),
    )


def _attacks(study: Study, workshop: Workshop, processes: int) -> Work:
    """Every attack on every defence with all its numbers, from cases of answers that are drawn at random."""
    split, seed = workshop.split, study.file.seed
    pairs = taken_for(study, [d.label for d in study.defences], len(split.members))
    cases, records = sum(len(others) for _, others in pairs), len(split.records)
    # to follow memory triples the time of those that are trained, which need no more of it than others
    untrained = {k: a for k, a in study.attacks.items() if not isinstance(a, TrainedAttack)} or study.attacks

    def sized(wanted: int) -> int:
        return min(records, max(FEW, wanted // len(split.targets)))

    def work(n: int, attacks: Mapping[str, Attack]) -> None:
        findings(attack_all(_made_up(study, workshop, n), attacks, seed), Names(), seed)

    sizes = sorted({sized(wanted) for wanted in ATTACKED})
    with threads(1):
        work(sized(FIRST), study.attacks)  # the first time is slower
        seconds = [_seconds_of(partial(work, n, study.attacks)) for n in sizes]
        height = _height_of(partial(work, sizes[-1], untrained)) * records / sizes[-1]
    together = min(cores(), len(pairs))
    each = height * len(study.attacks) / len(untrained)
    memory = processes * workshop.dataset.x.nbytes + 2 * together * each  # two cases in each thread
    one = float(_continued(sizes, seconds, records))
    return Work("attacks", cases, cases, cases * one / together, 0.0, memory)


def _made_up(study: Study, workshop: Workshop, n: int) -> Case:
    """A case of the study's models, but about its first n records, and with answers drawn at random."""
    split, classes = workshop.split, len(workshop.dataset.classes)
    rng = stream(study.file.seed, "forecast")
    views = (len(split.members), len(study.query.shown))

    def answers(n: int) -> Signals:
        features = rng.normal(size=(n, COMPONENTS)) if study.reads_features else None
        return Signals(
            rng.integers(classes, size=n), rng.normal(size=(*views, n, classes)), features=features
        )

    outside = split.population(workshop.dataset).size * n // len(split.records)
    nobody = np.zeros((len(split.members), outside), dtype=bool)
    population = Models(answers(outside), nobody, ~nobody) if outside else None
    models = Models(answers(n), split.members[:, :n], split.audited[:, :n], population)
    return Case("none", models, split.targets, adaptive=True)


def _seconds_of(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _height_of(work: Callable[[], None]) -> int:
    """The most bytes that are allocated at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _continued(sizes: Sequence[int], values: Sequence[float], size: int) -> float:
    """The value at `size` on the line through the samples, of which the last may be of that size."""
    slope = max(0.0, (values[-1] - values[0]) / (sizes[-1] - sizes[0])) if len(sizes) > 1 else 0.0
    return values[-1] + slope * (size - sizes[-1])
