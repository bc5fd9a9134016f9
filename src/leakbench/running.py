"""Run a study: train, query, defend, attack, measure. Read from top to bottom, it is the flow of the design."""

from pathlib import Path

from .data.dataset import Dataset
from .data.designs import Split
from .data.load import load
from .evaluate import Case, attack_all, differences
from .findings import Findings, Names, findings, method_boxes
from .models import Workshop
from .progress import Progress, Silent
from .provenance import Clock, provenance
from .results import Results, Row
from .store import Store
from .study import Study
from .trial import Trial
from .utility import cost, utility


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
    return Results(
        kind="run",
        title=study.file.title,
        rows=[*(row for f in found for row in f.rows), *compared, *measured],
        curves=[curve for f in found for curve in f.curves],
        flags=[flag for f in found for flag in f.flags],
        records=[record for f in found for record in f.records],
        methods=method_boxes(study.attacks, {p.name: p for t in trials for p in t.defence.parts}),
        provenance=provenance(clock, study.file.seed, dataset.describe()),
        study=study.describe(),
        notes=sorted({note for f in found for note in f.notes}),
    )


def make_trials(study: Study, workshop: Workshop, progress: Progress) -> list[Trial]:
    """The models of every defence, the undefended ones first; two defences with one recipe share theirs."""
    recipes = {defence.label: defence.recipe(study.recipe) for defence in study.defences}
    progress.stage(
        "training", sum(len(workshop.missing(recipe)) for recipe in {r: None for r in recipes.values()})
    )
    answers = {
        recipe: workshop.ask(recipe, study.file.query.views, progress)
        for recipe in {r: None for r in recipes.values()}
    }
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
    attacked = [attack_all(case, study.attacks, study.file.seed, progress.advance) for case in cases]
    progress.stage("metrics", 2 * len(cases) - 1)
    found = []
    for one in attacked:
        found.append(findings(one, names, study.file.seed))
        progress.advance()
    compared: list[Row] = []
    for one in attacked[1:]:
        compared += differences(one, attacked[0], study.file.seed)
        progress.advance()
    return found, compared


def _names(dataset: Dataset, split: Split) -> Names:
    return Names(split.records, dataset.classes, None, dataset.x[split.records] if dataset.is_image else None)
