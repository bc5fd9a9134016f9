"""Run a study: train, query, defend, attack, measure. Read from top to bottom, it is the flow of the design."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from . import __version__
from .comparisons import matched_in_accuracy, origin_of_leakage, public_twins
from .correlations import rank_correlations
from .data.dataset import Dataset
from .data.designs import Split
from .data.load import load
from .evaluate import Case, attack_all, informed
from .executors.local import LocalExecutor
from .findings import Findings, Names, findings, method_boxes, require_rows
from .flags import privacy_flags
from .footprint import Footprints
from .generated import look_at_generators
from .log import event
from .models import Answers, Workshop
from .outputs import Answered, answered
from .pace import processes_that_pay
from .paired import differences
from .progress import Progress, Silent, Timed
from .provenance import Clock, provenance
from .released import Released, release
from .remembered import Remembered
from .results import UNDEFENDED, Results, Row
from .signals.views import parse_views
from .store import Store
from .study import Protected, Study
from .survivors import Survivors, survivors
from .train.material import public_rows
from .train.recipe import Recipe
from .train.stages import rehearse
from .trial import Trial
from .utility import accuracy_difference, cost, utility

LOST = "a helper process ended early, and its work was done without it: {}"
Item = TypeVar("Item")
Result = TypeVar("Result")


def run(
    study: Study,
    store: str | Path = "leakbench-store",
    progress: Progress | None = None,
    processes: int | None = None,
) -> Results:
    """Run a study and return everything that it found.

    Models and their answers are kept in `store`: a run that was stopped continues where it was, and a study that
    changes one defence trains only that one. They are made by as many `processes` as promise to be fastest, or as
    many as are given; the numbers are the same. Raises InputError or StoreError with one clear line.
    """
    clock, progress = Clock(), Timed(progress or Silent())
    event("run", title=study.file.title, version=__version__, store=str(store))
    workshop = open_workshop(study, store)
    dataset, split = workshop.dataset, workshop.split
    recipes = rehearsed(study, dataset)
    executor = LocalExecutor(processes or processes_that_pay(workshop, list(recipes.values())))
    with executor.helping(study.describe(), workshop.store.root):
        left = train_all(workshop, recipes, progress)
        workshop = left.workshop
        trials = make_trials(study, workshop, left.recipes, progress)
    adaptive, others = attack_trials(
        study, trials, _names(dataset, split), progress, Remembered(workshop.store)
    )
    compared = compare_trials(study, trials, adaptive, progress)
    found = [*adaptive.values(), *others]
    progress.stage("utility and cost", len(trials))
    measured: list[Row] = []
    sizes = Footprints(workshop)
    for trial in trials:
        measured += [*utility(trial), *cost(trial, trials[0], dataset), *sizes.rows(trial, trials[0])]
        progress.advance()
    released = look_at_outputs(study, trials, progress)
    measured += [row for each in released for row in each.rows]
    made = look_at_generators(trials, workshop, progress)
    progress.done()
    leaked = [row for f in found for row in f.rows]
    used = {row.attack for row in leaked}
    return Results(
        kind="run",
        title=study.file.title,
        rows=[
            *leaked,
            *compared,
            *measured,
            *made.rows,
            *rank_correlations([*leaked, *measured], study.file.seed),
        ],
        curves=[curve for f in found for curve in f.curves],
        flags=[
            *(flag for f in found for flag in f.flags),
            *made.flags,
            *privacy_flags(measured),
            *left.flags,
        ],
        records=[record for f in found for record in f.records],
        methods=method_boxes(
            {label: attack for label, attack in study.attacks.items() if label in used},
            {part.name: part for trial in trials for part in trial.defence.parts} | made.generators,
        ),
        provenance=provenance(clock, study.file.seed, dataset.describe(), progress.parts),
        study=study.describe(),
        notes=sorted(
            {note for f in found for note in f.notes}
            | {LOST.format(said) for said in executor.lost}
            | set(workshop.store.damaged)
        ),
        samples=made.samples,
        layers=[layer for trial in trials for layer in sizes.layers(trial, trials[0])],
        distributions=[each for answers in released for each in answers.distributions],
        exposures=[exposure for f in found for exposure in f.exposures],
    )


def work(study: Study, store: str | Path) -> None:
    """Help runs of this study on this store, until the models and their answers are made. Raises as `run`."""
    workshop = open_workshop(study, store)
    left = train_all(workshop, rehearsed(study, workshop.dataset), Silent())
    make_trials(study, left.workshop, left.recipes, Silent())


def open_workshop(study: Study, store: str | Path) -> Workshop:
    """The data of a study, its split, and the store."""
    dataset, seed = load(study.file.data), study.file.seed
    return Workshop(dataset, study.design.split(dataset, seed), seed, Store(store), study.file.group_size)


def rehearsed(study: Study, dataset: Dataset) -> dict[str, Recipe]:
    """The recipes by label of their defence, when nothing is left that would be refused after hours of training."""
    recipes = {defence.label: defence.recipe(study.recipe) for defence in study.defences}
    for view in parse_views(study.file.query.views):
        view(dataset.x[:1])  # tables have no flips
    public_rows(dataset, any(defence.needs_public for defence in study.defences))
    for recipe in dict.fromkeys(recipes.values()):
        rehearse(dataset, recipe)
    return recipes


def train_all(workshop: Workshop, recipes: Mapping[str, Recipe], progress: Progress) -> Survivors:
    """Train the models of every defence, and leave out what diverged."""
    distinct = list(dict.fromkeys(recipes.values()))
    progress.stage("training", sum(len(workshop.missing(recipe)) for recipe in distinct))
    workshop.train(distinct, progress)
    return survivors(workshop, recipes)


def make_trials(
    study: Study, workshop: Workshop, recipes: Mapping[str, Recipe], progress: Progress
) -> list[Trial]:
    """What the models of every defence answer, the undefended ones first; defences of one recipe share theirs."""
    distinct = list(dict.fromkeys(recipes.values()))
    defences = [defence for defence in study.defences if defence.label in recipes]
    progress.stage("queries", sum(len(workshop.jobs(recipe)) for recipe in distinct))
    answers = {recipe: workshop.ask(recipe, study.file.query, progress) for recipe in distinct}
    made = release_all(defences, recipes, answers, workshop, progress)
    trials = []
    for defence in defences:
        recipe = recipes[defence.label]
        own = answers[recipe]
        owner = workshop.owner(recipe, 0, own.entries[0])
        trials.append(
            Trial(defence, recipe, own, workshop.dataset, workshop.split, owner, made.get(defence.label))
        )
    return sorted(trials, key=lambda trial: trial.defence.label != UNDEFENDED)


def release_all(
    defences: Sequence[Protected],
    recipes: Mapping[str, Recipe],
    answers: Mapping[Recipe, Answers],
    workshop: Workshop,
    progress: Progress,
) -> dict[str, Released]:
    """The released answers, by label, of the defences that make them once for each model."""
    once = [defence for defence in defences if defence.made_once]
    progress.stage("released answers", sum(len(answers[recipes[d.label]].entries) for d in once))
    return {
        d.label: release(workshop, d, recipes[d.label], answers[recipes[d.label]], progress) for d in once
    }


def attack_trials(
    study: Study, trials: list[Trial], names: Names, progress: Progress, score: Remembered
) -> tuple[dict[str, Findings], list[Findings]]:
    """Attack every defence as one who knows it does, then as one who ignores it, or takes it for another.

    Returns what the adaptive attackers found, by defence, and what the others did. A defence's scores and
    statistics are dropped when it is done: memory does not grow with the number of defences.
    """
    by_label, targets = {t.defence.label: t for t in trials}, trials[0].split.targets
    undefended, seed = trials[0].known(), study.file.seed
    pairs = taken_for(study, list(by_label), len(undefended.members))
    progress.stage("attacks", len(study.attacks) * sum(len(others) for _, others in pairs))

    def case(label: str, other: str) -> Case:
        if label == other:
            return Case(label, by_label[label].known(), targets, adaptive=True)
        reference = undefended if other == UNDEFENDED else by_label[other].known()
        return Case(label, by_label[label].released(), targets, False, reference, other)

    def work(item: tuple[str, list[str]], advance: Callable[[], None]) -> list[Findings]:
        label, others = item
        attacked = [attack_all(case(label, o), study.attacks, seed, advance, score) for o in others]
        if others == [label, UNDEFENDED]:
            attacked = informed(*attacked)
        found = [findings(each, names, seed) for each in attacked]
        if item == pairs[0]:
            require_rows(attacked[0], found[0])
        return found

    done = in_threads(work, pairs, progress)
    adaptive, ignoring = {}, []
    for (label, others), found in zip(pairs, done, strict=True):
        for other, each in zip(others, found, strict=True):
            if label == other:
                adaptive[label] = each
            else:
                ignoring.append(each)
    return adaptive, ignoring


def taken_for(study: Study, labels: list[str], n_models: int) -> list[tuple[str, list[str]]]:
    """Each defence with what its attackers take it for: first itself, and none if one ignores it; then others."""
    if n_models == 1:
        return [(label, [label]) for label in labels]
    crossed = list(itertools.permutations((label for label in study.file.cross if label in labels), 2))
    ignored = set(labels) if study.file.non_adaptive else {label for label, o in crossed if o == UNDEFENDED}
    own = [(d, [d, UNDEFENDED] if d in ignored and d != UNDEFENDED else [d]) for d in labels]
    return own + [(label, [other]) for label, other in crossed if other != UNDEFENDED]


def compare_trials(
    study: Study, trials: list[Trial], found: Mapping[str, Findings], progress: Progress
) -> list[Row]:
    """Paired differences of each defence from none, from the frontier at its accuracy, from its public twin."""
    by_label = {trial.defence.label: trial for trial in trials}
    matched = matched_in_accuracy(trials, [label for label in study.file.frontier if label in by_label])
    twins = public_twins(trials)
    pairs = [(label, UNDEFENDED) for label in list(by_label)[1:]]
    pairs += [pair for pair in [*matched.items(), *twins.items()] if pair not in pairs]
    progress.stage("comparison", len(pairs))
    compared = {}
    for label, other in pairs:
        compared[label, other] = list(differences(label, found[label].comparable, found[other].comparable))
        progress.advance()
    rows = [row for label, other in pairs if other == UNDEFENDED for row in compared[label, other]]
    for label, other in matched.items():
        rows += [replace(row, against=other) for row in compared[label, other]]
        rows.append(accuracy_difference(by_label[label], by_label[other]))
    for label, twin in twins.items():
        rows += origin_of_leakage(compared[label, twin], found[twin].rows)
    return rows


def look_at_outputs(study: Study, trials: list[Trial], progress: Progress) -> list[Answered]:
    """Entropy and predicted risk of what each defence releases."""
    progress.stage("outputs", len(trials))

    def work(trial: Trial, advance: Callable[[], None]) -> Answered:
        found = answered(
            trial.defence.label, trial.released(), trial.split.targets, study.file.seed, trial.traces
        )
        advance()
        return found

    return in_threads(work, trials, progress)


def in_threads(
    work: Callable[[Item, Callable[[], None]], Result], items: Sequence[Item], progress: Progress
) -> list[Result]:
    """`work(item, advance)` of each item, in order, on all cores: sorting and fitting release Python's lock.

    Each thread keeps to itself: linear algebra that threads too would only make them wait for each other.
    Once one item has failed, or Ctrl-C was pressed, `advance` ends the others: they stop at their next step.
    """
    threads, over = torch.get_num_threads(), Event()
    pool = ThreadPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,))

    def advance() -> None:
        if over.is_set():
            raise CancelledError
        progress.advance()

    try:
        with threadpool_limits(1):
            return list(pool.map(lambda item: work(item, advance), items))
    finally:
        over.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _names(dataset: Dataset, split: Split) -> Names:
    return Names(split.records, dataset.classes, None, dataset.x[split.records] if dataset.is_image else None)
