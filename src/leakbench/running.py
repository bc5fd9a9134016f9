"""Run a study: train, query, defend, attack, measure. Read from top to bottom, it is the flow of the design."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TypeVar

from threadpoolctl import threadpool_limits

from .data.dataset import Dataset
from .data.designs import Split
from .data.load import load
from .evaluate import Attacked, Case, attack_all, differences
from .findings import Findings, Names, findings, method_boxes, require_rows
from .models import Workshop
from .progress import Progress, Silent
from .provenance import Clock, provenance
from .results import Results, Row
from .signals.views import parse_views
from .store import Store
from .study import Study
from .trial import Trial
from .utility import cost, utility

Item = TypeVar("Item")
Result = TypeVar("Result")


def run(study: Study, store: str | Path = "leakbench-store", progress: Progress | None = None) -> Results:
    """Run a study and return everything that it found.

    Models and their answers are kept in `store`: a run that was stopped continues where it was, and a study that
    changes one defence trains only that one. Raises InputError or StoreError with one clear line.
    """
    clock, progress = Clock(), progress or Silent()
    dataset = load(study.file.data)
    split = study.design.split(dataset, study.file.seed)
    workshop = Workshop(dataset, split, study.file.seed, Store(store), study.file.group_size)
    trials = make_trials(study, workshop, progress)
    found, compared = attack_trials(study, trials, split, _names(dataset, split), progress)
    progress.stage("utility and cost", len(trials))
    measured: list[Row] = []
    for trial in trials:
        measured += [*utility(trial), *cost(trial, trials[0], dataset)]
        progress.advance()
    progress.done()
    used = {row.attack for f in found for row in f.rows}
    return Results(
        kind="run",
        title=study.file.title,
        rows=[*(row for f in found for row in f.rows), *compared, *measured],
        curves=[curve for f in found for curve in f.curves],
        flags=[flag for f in found for flag in f.flags],
        records=[record for f in found for record in f.records],
        methods=method_boxes(
            {label: attack for label, attack in study.attacks.items() if label in used},
            {part.name: part for trial in trials for part in trial.defence.parts},
        ),
        provenance=provenance(clock, study.file.seed, dataset.describe()),
        study=study.describe(),
        notes=sorted({note for f in found for note in f.notes}),
        exposures=[exposure for f in found for exposure in f.exposures],
    )


def make_trials(study: Study, workshop: Workshop, progress: Progress) -> list[Trial]:
    """The models of every defence, the undefended ones first; two defences with one recipe share theirs."""
    recipes = {defence.label: defence.recipe(study.recipe) for defence in study.defences}
    for view in parse_views(study.file.query.views):
        view(workshop.dataset.x[:1])  # tables have no flips: better said now than after the training
    distinct = list(dict.fromkeys(recipes.values()))
    progress.stage("training", sum(len(workshop.missing(recipe)) for recipe in distinct))
    answers = {recipe: workshop.ask(recipe, study.file.query.views, progress) for recipe in distinct}
    trials = [
        Trial(
            defence, recipes[defence.label], answers[recipes[defence.label]], workshop.dataset, workshop.split
        )
        for defence in study.defences
    ]
    return sorted(trials, key=lambda trial: trial.defence.label != "none")


def attack_trials(
    study: Study, trials: list[Trial], split: Split, names: Names, progress: Progress
) -> tuple[list[Findings], list[Row]]:
    """Attack every defence as one who knows it does, then as one who ignores it; compare each with no defence."""
    baseline = trials[0]
    cases = [Case(t.defence.label, t.known, split.targets, adaptive=True) for t in trials]
    cases += [
        Case(t.defence.label, t.released, split.targets, adaptive=False, reference=baseline.known)
        for t in trials[1:]
        if len(t.known.members) > 1
    ]
    progress.stage("attacks", len(cases) * len(study.attacks))

    def work(case: Case, advance: Callable[[], None]) -> tuple[Attacked, Findings]:
        attacked = attack_all(case, study.attacks, study.file.seed, advance)
        return attacked, findings(attacked, names, study.file.seed)

    done = in_threads(work, cases, progress)
    require_rows(*done[0])
    defended = [attacked for attacked, _ in done[1:] if attacked.case.adaptive]
    progress.stage("comparison", len(defended))

    def compare(attacked: Attacked, advance: Callable[[], None]) -> list[Row]:
        rows = list(differences(attacked, done[0][0], study.file.seed))
        advance()
        return rows

    compared = in_threads(compare, defended, progress)
    return [found for _, found in done], [row for rows in compared for row in rows]


def in_threads(
    work: Callable[[Item, Callable[[], None]], Result], items: Sequence[Item], progress: Progress
) -> list[Result]:
    """`work(item, advance)` of each item, in order, on all cores: sorting and fitting release Python's lock.

    Each thread keeps to itself: linear algebra that threads too would only make them wait for each other.
    Once one item has failed, or Ctrl-C was pressed, `advance` ends the others: they stop at their next step.
    """
    pool, over = ThreadPoolExecutor(os.cpu_count()), Event()

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


def _names(dataset: Dataset, split: Split) -> Names:
    return Names(split.records, dataset.classes, None, dataset.x[split.records] if dataset.is_image else None)
