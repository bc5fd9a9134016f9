"""Dry runs: the work of a run that is done and that is left, with its time, memory and disk space.

Times and sizes are measured on samples of the work: two short epochs of every recipe, queries with some records, every
attack on two targets with random outputs (`attack_cost`). They are scaled to all records, models and cases. Queries
and attacks are timed in CPU time of one thread, which other processes do not change.
"""

import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.content_key import content_key
from ..core.cpu import cores, threads
from ..core.progress import NullProgress
from ..data.dataset import Dataset, Indices
from ..defences.chain import DefenceChain
from ..evaluation.attack_cost import attack_cost, continued, fewer_passes, made_up
from ..evaluation.findings import Names, findings
from ..evaluation.measure import Case, attack_all
from ..signals.features import COMPONENTS
from ..signals.models import Models
from ..signals.statistics import GRADIENT_NORMS
from ..signals.trajectories import METRICS, metrics
from ..signals.types import PerModel, Signals
from ..signals.views import parse_views
from ..train.autotune_group_size import shortened
from ..train.gradients import log_gradient_norms
from ..train.job import Trained, groups
from ..train.query import predict_logits, predicted_classes
from ..train.recipe import CodeRecipe, Generate, Recipe, Stage, Train
from ..train.recipe.waves import waves
from ..train.run_stages import train_group
from ..train.students import student_recipe, trajectories
from .attack import assumed_defences
from .autotune_processes import fastest_processes
from .distillation import distillations
from .gradients import uncomputed
from .perturbed_views import unqueried
from .query import Querier
from .release import unreleased
from .steps import checked_recipes, open_trainer, prepare_attacks, query_models, train_all
from .study import Query, Study
from .train import Trainer

EPOCHS, BATCHES = 2, 4  # of a sample of training
QUERIED = 1024  # records in a sample of queries
PERTURBED = 128  # records in a sample of perturbed views: the views are many
TRACED_TARGETS, TRACED_RECORDS = (2, 4), 500  # of the samples of attacks whose memory is traced


@dataclass(frozen=True)
class Work:
    """One kind of work: its number of pieces, those left, and their cost; None: not measured."""

    what: str
    pieces: int
    left: int
    seconds: float | None = 0.0
    disk: float = 0.0  # bytes on disk
    memory: float = 0.0  # bytes at the peak


def forecast(study: Study, store: str | Path, dataset: Dataset | None = None) -> list[Work]:
    """The work of a study, in its order. The store is read and not changed.

    Args:
        study: The study.
        store: The folder or URL of the store.
        dataset: The data set of the study, if it has been read already.

    Raises:
        InputError: `run` would refuse the study before it trains.
    """
    trainer = open_trainer(study, store, dataset, dry=True)
    querier, recipes = Querier(trainer), checked_recipes(study, trainer.dataset)
    labels: dict[Recipe, list[str]] = {}
    for label, recipe in recipes.items():
        labels.setdefault(recipe, []).append(label)
    found: list[Work] = []
    samples: dict[Recipe, Trained] = {}
    processes = fastest_processes(trainer, list(labels))
    with threads(max(1, cores() // processes)):
        for recipe in (recipe for wave in waves(list(labels)) for recipe in wave):
            what = ", ".join(labels.get(recipe, ["shared first stages"]))
            if isinstance(recipe, CodeRecipe):
                work = _code(trainer, recipe, processes)
            else:
                work, samples[recipe] = _training(trainer, recipe, list(samples), processes)
            found.append(replace(work, what=f"training: {what}"))
    queries = [_queries(querier, recipe, study.query, samples.get(recipe), processes) for recipe in labels]
    found.append(_together("logits", queries))
    queried = not any(work.left for work in found)
    found += [
        _releases(querier, d, recipes[d.label], study.query, queried)
        for d in study.defences
        if d.cached_per_model
    ]
    if study.query.perturbations:
        found.append(_perturbed(study, querier, recipes, samples, queried, processes))
    if study.white_box:
        found.append(_gradients(study, querier, recipes, samples, queried, processes))
    if study.distils:
        found.append(_students(study, querier, recipes, queried, processes))
    attacks = _attacks(study, trainer, processes)
    if not any(work.left for work in found):
        left = _not_attacked(study, trainer, recipes)
        attacks = replace(attacks, left=left, seconds=(attacks.seconds or 0.0) * left / attacks.pieces)
    return [*found, attacks]


def _releases(querier: Querier, defence: DefenceChain, recipe: Recipe, query: Query, queried: bool) -> Work:
    """The released outputs of a defence; their time is not measured."""
    models = len(querier.trainer.split.members)
    left = models
    if queried:
        left = unreleased(querier, defence, recipe, querier.logits(recipe, query, NullProgress()))
    return Work(f"released outputs: {defence.label}", models, left, None if left else 0.0)


def _not_attacked(study: Study, trainer: Trainer, recipes: Mapping[str, Recipe]) -> int:
    """The number of cases that are left to attack, once all models exist."""
    converged = train_all(trainer, recipes, NullProgress())
    all_defended = query_models(study, Querier(converged.trainer), converged.recipes, NullProgress())
    return prepare_attacks(study, all_defended, converged.trainer, NullProgress()).left


def _training(trainer: Trainer, recipe: Recipe, before: list[Recipe], processes: int) -> tuple[Work, Trained]:
    """The training of a recipe, without the stages that are in the store or end a recipe in `before`."""
    jobs, missing = trainer.jobs(recipe), trainer.missing(recipe)
    shared = [n for n in recipe.kept if recipe.until(n) in before]
    alike = groups(missing or jobs, len(jobs))[0]
    sampled = shortened(alike[: trainer.at_once(alike)], BATCHES, EPOCHS)
    trained = train_group(trainer.dataset, sampled)[0]
    seconds = disk = 0.0
    for each in missing:
        first = max([trainer.stages_done(each), *(n + 1 for n in shared)])
        seconds += sum(
            _seconds(stage, log, len(each.members) / len(sampled[0].members))
            for stage, log in list(zip(recipe.stages, trained.log, strict=True))[first:]
        )
        kept = sum(n >= first for n in recipe.kept)
        disk += kept * (_bytes(trained.weights) + _bytes(trained.masks)) + _traces(recipe, len(each.members))
    return Work("", len(jobs), len(missing), seconds / processes, disk), trained


def _code(trainer: Trainer, recipe: CodeRecipe, processes: int) -> Work:
    """The training of a recipe of code, whose time is known once the store holds one of its models."""
    entries = [trainer.model(job) for job in trainer.jobs(recipe)]
    known = [entry.meta["stages"][0]["seconds"] for entry in entries if entry is not None]
    left = entries.count(None)
    seconds = left * float(np.mean(known)) / processes if known else None
    return Work(
        "", len(entries), left, seconds, left * 4.0 * len(trainer.dataset.x) * len(trainer.dataset.classes)
    )


def _seconds(stage: Stage, log: dict[str, Any], growth: float) -> float:
    """The seconds of a stage for one model, from the log of its sample with `growth` times fewer members."""
    on_members = stage.on != "public" if isinstance(stage, Train) else isinstance(stage, Generate)
    longer = stage.epochs / min(EPOCHS, stage.epochs) if isinstance(stage, Train) else 1.0
    return float(log["seconds"]) * longer * (growth if on_members else 1.0)


def _bytes(arrays: dict[str, np.ndarray]) -> int:
    return sum(array.nbytes for array in arrays.values())


def _traces(recipe: Recipe, members: int) -> int:
    """The bytes of the loss traces: two for each member and epoch of the last stage that records them."""
    traced = [stage for stage in recipe.training if stage.traced]
    return 2 * traced[-1].epochs * members if traced else 0


def _seconds_and_bytes(work: Callable[..., NDArray[Any]], rows: Indices, few: int) -> tuple[float, float]:
    """The seconds of one model's `work` on all of the rows, and the bytes that it makes of them.

    Both lie on the line through samples of one row and of `few`; a first call, which is slower, is not counted.
    """
    sizes = [1, min(few, len(rows))]
    seconds, found = [], work(rows=rows[:1])
    with threads(1):
        for size in sizes:
            began = time.process_time()
            found = work(rows=rows[:size])
            seconds.append(time.process_time() - began)
    return continued(sizes, seconds, len(rows)), found.nbytes * len(rows) / sizes[-1]


def _queries(querier: Querier, recipe: Recipe, query: Query, sample: Trained | None, processes: int) -> Work:
    """The queries of a recipe's models, measured on a sample of the records; none without one, of code."""
    jobs, data, rows = querier.trainer.jobs(recipe), querier.trainer.dataset, querier.rows
    left = sum(not querier.has(job, query) for job in jobs)
    if sample is None:
        views = len(parse_views(query.shown)) + query.noise
        again = left and views > 1  # models are trained again
        return Work(
            "", len(jobs), left, None if again else 0.0, 4.0 * left * views * len(rows) * len(data.classes)
        )
    about = (data.x, len(data.classes), recipe.architecture, sample.weights)
    work = partial(predict_logits, *about, views=query.shown, **querier.trainer.settings(recipe))
    seconds, disk = _seconds_and_bytes(work, rows, QUERIED)
    copies = left * (1 + query.noise / len(query.shown))
    return Work("", len(jobs), left, copies * seconds / processes, copies * disk)


def _together(what: str, each: list[Work]) -> Work:
    return Work(
        what,
        sum(work.pieces for work in each),
        sum(work.left for work in each),
        None if any(work.seconds is None for work in each) else sum(work.seconds or 0.0 for work in each),
        sum(work.disk for work in each),
    )


def _perturbed(
    study: Study,
    querier: Querier,
    recipes: Mapping[str, Recipe],
    samples: Mapping[Recipe, Trained],
    queried: bool,
    processes: int,
) -> Work:
    """The predictions in perturbed views, measured on a sample of the records. Defences may share them."""
    alike = {(recipes[d.label], d.label if d.changes_labels else ""): d for d in study.defences}
    data, rows, query = querier.trainer.dataset, querier.trainer.split.records, study.query
    each = []
    for (recipe, _), defence in alike.items():
        left = models = len(querier.trainer.split.members)
        if queried:
            logits = querier.logits(recipe, query, NullProgress())
            left = unqueried(querier, defence, recipe, logits, query)
        if isinstance(recipe, CodeRecipe):  # they are part of its training
            each.append(Work("", models, left, 0.0))
            continue
        about = (data.x, len(data.classes), recipe.architecture, samples[recipe].weights)
        work = partial(
            predicted_classes,
            *about,
            perturbations=query.perturbations,
            seed=querier.trainer.seed,
            **querier.trainer.settings(recipe),
        )
        seconds, disk = _seconds_and_bytes(work, rows, PERTURBED)
        each.append(Work("", models, left, left * seconds / processes, left * disk))
    return _together("perturbed views", each)


def _gradients(
    study: Study,
    querier: Querier,
    recipes: Mapping[str, Recipe],
    samples: Mapping[Recipe, Trained],
    queried: bool,
    processes: int,
) -> Work:
    """The gradient norms of every recipe's models, measured on a sample of the records."""
    data, rows = querier.trainer.dataset, querier.trainer.split.records
    each = []
    for recipe in dict.fromkeys(recipes.values()):
        left = models = len(querier.trainer.split.members)
        if queried:
            left = uncomputed(querier, querier.logits(recipe, study.query, NullProgress()))
        about = (data.x, data.y, len(data.classes), recipe.architecture, samples[recipe].weights)
        work = partial(log_gradient_norms, *about, **querier.trainer.settings(recipe))
        seconds, disk = _seconds_and_bytes(work, rows, PERTURBED)
        each.append(Work("", models, left, left * seconds / processes, left * disk))
    return _together("gradients", each)


def _students(
    study: Study, querier: Querier, recipes: Mapping[str, Recipe], queried: bool, processes: int
) -> Work:
    """The students of every model, measured on one epoch of those of one defence."""
    trainer, defences = querier.trainer, study.defences
    changed = [defence for defence in defences if defence.changes_output]
    left = sets = len({recipes[d.label] for d in defences if d not in changed}) + 2 * len(changed)
    models = len(trainer.split.members)
    if queried:
        logits = {r: querier.logits(r, study.query, NullProgress()) for r in dict.fromkeys(recipes.values())}
        specs = [each.spec for each in distillations(study, defences, recipes, logits, querier)]
        left = len({content_key(spec) for spec in specs if not trainer.store.has("students", spec)})
    data, rows, classes = trainer.dataset, trainer.split.records, len(trainer.dataset.classes)
    alike = np.full((len(data.parts["public"]), classes), 1 / classes)
    student = student_recipe(study.recipe, 1)
    about = (rows, partial(metrics, y=data.y[rows]), trainer.seed, trainer.engine_of(student))
    with threads(1):
        began = time.process_time()
        found = trajectories(data, student, [alike] * models, *about)
        seconds = time.process_time() - began
    growth = left * study.query.student_epochs
    return Work("students", sets * models, left * models, growth * seconds / processes, growth * found.nbytes)


def _attacks(study: Study, trainer: Trainer, processes: int) -> Work:
    """Every attack on every defence with its metrics, measured on cases with random outputs."""
    split, seed = trainer.split, study.file.seed
    pairs = assumed_defences(study, [d.label for d in study.defences], len(split.members))
    cases, records = sum(len(others) for _, others in pairs), len(split.records)
    case = _alike(study, trainer)
    # a fit of any number of passes needs the same memory
    shortest = {label: fewer_passes(attack)[1][0] for label, attack in study.attacks.items()}

    def work(targets: tuple[int, ...]) -> None:
        made = replace(case, targets=targets, models=made_up(case.models, TRACED_RECORDS, seed))
        findings(attack_all(made, shortest, seed), Names(), seed, study.metrics)

    with threads(1):
        one = attack_cost(case, study.attacks, study.metrics, seed).seconds
        traced = [split.targets[:n] for n in TRACED_TARGETS if n < len(split.targets)] or [split.targets]
        peaks = [_peak_of(partial(work, targets)) for targets in traced]
    peak = continued([len(each) for each in traced], peaks, len(split.targets))
    peak *= max(1.0, records / TRACED_RECORDS)
    together = min(cores(), len(pairs))
    memory = processes * trainer.dataset.x.nbytes + 2 * together * peak  # two cases in each thread
    return Work("attacks", cases, cases, cases * one / together, 0.0, memory)


def _alike(study: Study, trainer: Trainer) -> Case:
    """A case with the membership of the study, and zeros in the shape of its outputs."""
    split, query = trainer.split, study.query
    models, views, classes = len(split.members), len(query.shown), len(trainer.dataset.classes)
    names = (*query.shown, *(each.name for each in query.perturbations for _ in range(each.draws)))

    def signals(n: int) -> Signals:
        return Signals(
            np.zeros(n, dtype=np.int64),
            _shaped(models, views, n, classes),
            noisy=_shaped(models, query.noise, n, classes) if query.noise else None,
            features=np.zeros((n, COMPONENTS)) if study.reads_features else None,
        )

    outside = split.population(trainer.dataset).size
    nobody = np.zeros((models, outside), dtype=bool)
    population = Models(signals(outside), nobody, ~nobody) if outside else None
    n = len(split.records)
    own = replace(
        signals(n),
        predicted=_shaped(models, len(names) - views, n, dtype=np.uint8) if query.perturbations else None,
        gradients=_shaped(models, len(GRADIENT_NORMS), n) if study.white_box else None,
        trajectories=_shaped(models, query.student_epochs * len(METRICS), n) if study.distils else None,
        views=names if query.perturbations else (),
    )
    return Case("none", Models(own, split.members, split.audited, population), split.targets, adaptive=True)


def _shaped(*shape: int, dtype: type[np.generic] = np.float32) -> PerModel:
    """An array of zeros of which only the shape matters."""
    return PerModel(shape, lambda m: np.zeros(shape[1:], dtype), np.dtype(dtype))


def _peak_of(work: Callable[[], None]) -> int:
    """The peak of the bytes that are allocated."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
