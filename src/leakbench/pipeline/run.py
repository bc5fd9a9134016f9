"""Run a study: train, query, defend, attack, measure. Read from top to bottom, it is the flow of the design."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from ..core.errors import LeakbenchError
from ..core.log import event
from ..core.progress import Progress, Silent, Timed, watched
from ..core.provenance import Clock, provenance
from ..core.registry import Plugin
from ..core.results import BEST, UNDEFENDED, Distribution, Flag, LayerSize, Row, SyntheticSample
from ..core.store import open_store
from ..core.threads import Workers
from ..core.version import __version__
from ..data.dataset import Dataset
from ..data.designs import Split
from ..data.plant import require_measurable
from ..defences.chain import Protected
from ..evaluation.findings import Findings, Names, method_boxes
from ..evaluation.flags import privacy_flags
from ..evaluation.measure import FEWEST
from ..evaluation.paired_differences import differences
from ..evaluation.predicted_risk import Answered, answered
from ..evaluation.predictor_correlations import rank_correlations
from ..report.results import Results
from ..signals.features import components
from ..signals.views import parse_views
from ..train.query import binary_features
from ..train.recipe import Recipe
from ..train.run_stages import rehearse
from ..train.stage_data import public_rows
from .attack import Attacks
from .autotune_processes import processes_that_pay
from .compare import matched_in_accuracy, origin_of_leakage, public_twins
from .defended_models import Trial
from .diverged import Survivors, survivors
from .executors.base import Executor
from .executors.local import LocalExecutor
from .generator_audit import look_at_generators
from .gradients import query_gradients
from .model_size import Footprints
from .perturbed_views import Perturbed, query_perturbed
from .release import Released, release
from .study import Study
from .train import Answers, Workshop
from .utility import accuracy_difference, cost, utility

LOST = "a helper process ended early, and its work was done without it: {}"


def run(
    study: Study,
    store: str | Path = "leakbench-store",
    progress: Progress | None = None,
    processes: int | None = None,
    executor: Executor | None = None,
    growing: Callable[[Callable[[], Results]], None] | None = None,
) -> Results:
    """Run a study and return everything that it found.

    Models, their answers, and what was found about each defence are kept in `store`: a run that was stopped continues
    where it was, and a study that changes one defence trains and attacks only that one. Models and answers are made by
    as many `processes` as promise to be fastest, or as many as are given, or by those that an `executor` brings; the
    numbers are the same. `growing` is called, in some thread, whenever a defence has been attacked, with what gives
    the results so far. Raises LeakbenchError with one clear line: InputError for what the study asks, StoreError where
    the store cannot be used, others where too many models diverge or an executor finds no helpers; ModuleNotFoundError
    for an optional package that the study needs.
    """
    clock, progress = Clock(), Timed(progress or Silent())
    workshop = open_workshop(study, store)
    recipes = rehearsed(study, workshop.dataset)
    event("run", title=study.file.title, version=__version__, store=str(store))
    if executor is None:
        executor = LocalExecutor(processes or processes_that_pay(workshop, list(recipes.values())))
    with executor.helping(study.describe(), workshop.store.place, workshop.dataset):
        left = train_all(workshop, recipes, progress)
        trials = make_trials(study, left.workshop, left.recipes, progress)
        looked = look_at_trials(study, trials, left.workshop, progress)
        outcome = Outcome(study, trials, looked, left, clock, progress)
        tell = outcome.teller(growing or _nobody)
        adaptive, ignoring = attack_trials(study, trials, left.workshop, progress, tell)
    costs = cost_trials(trials, left.workshop, progress)  # which takes times, so alone on the machine
    compared = compare_trials(study, trials, adaptive, progress)
    found = [*adaptive.values(), *ignoring]
    measured = [*(row for f in found for row in f.rows), *looked.rows]
    together = rank_correlations(measured, study.file.seed)
    progress.done()
    lost = [LOST.format(said) for said in executor.lost]
    return outcome.results(found, [*compared, *costs, *together], [*lost, *workshop.store.damaged])


@dataclass(frozen=True, eq=False)
class Outcome:
    """All that a run knows beside what its attackers find."""

    study: Study
    trials: Sequence[Trial]
    looked: "Looked"
    left: Survivors
    clock: Clock
    progress: Timed

    def results(self, found: Sequence[Findings], others: Sequence[Row], notes: Sequence[str]) -> Results:
        """The results with what was found by the attackers, `others` rows, and notes."""
        study, looked = self.study, self.looked
        leaked = [row for f in found for row in f.rows]
        used = {row.attack for row in leaked}
        parts = {part.name: part for trial in self.trials for part in trial.defence.parts}
        data, parts_of_time = self.trials[0].dataset.describe(), self.progress.parts
        return Results(
            kind="run",
            title=study.file.title,
            rows=[*leaked, *others, *looked.rows],
            curves=[curve for f in found for curve in f.curves],
            flags=[*(flag for f in found for flag in f.flags), *looked.flags, *self.left.flags],
            records=[record for f in found for record in f.records],
            methods=method_boxes(
                {label: attack for label, attack in study.attacks.items() if label in used},
                {**parts, **looked.generators},
            ),
            provenance=provenance(self.clock, study.file.seed, data, parts_of_time),
            study=study.describe(),
            notes=sorted(
                {note for f in found for note in f.notes}
                | {*notes, *study.notes, *self.trials[0].dataset.notes}
            ),
            samples=looked.samples,
            layers=looked.layers,
            distributions=looked.distributions,
            exposures=[exposure for f in found for exposure in f.exposures],
            overlaps=[overlap for f in found for overlap in f.overlaps],
        )

    def teller(self, growing: Callable[[Callable[[], Results]], None]) -> Callable[[list[Findings]], None]:
        """Takes what was found about one defence after the other, and each time offers the results so far."""
        there, one_at_a_time = list[Findings](), Lock()

        def tell(found: list[Findings]) -> None:
            with one_at_a_time:
                there.extend(found)
                so_far = list(there)
            for line in filter(None, map(strongest, found)):
                self.progress.say(line)
            defences = {row.defence for f in so_far for row in f.rows}
            note = f"unfinished: {len(defences)} of {len(self.trials)} defences were attacked so far"
            growing(lambda: self.results(so_far, [], [note]))

        return tell


def _nobody(results: Callable[[], Results]) -> None:
    """For who waits for the end of a run."""


def _say_nothing(found: list[Findings]) -> None:
    """For a helper, who reports to nobody."""


def strongest(found: Findings) -> str | None:
    """One line on what an attacker who knows the defence found; None on one who does not."""
    rows = (row for row in found.rows if row.attack == BEST and row.metric == "auc" and row.slice == "all")
    row = next(rows, None)
    if row is None or row.adaptive is False:
        return None
    return f"{row.defence}: AUC {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}] by {row.selected}"


def work(
    study: Study, store: str | Path, identity: str | None = None, dataset: Dataset | None = None
) -> None:
    """Help runs of this study on this store, until every defence has been attacked.

    A run that sends this elsewhere hands over its `dataset`, and the `identity` of its store. Raises as `run` does, and
    LeakbenchError if the store here is another one.
    """
    workshop = open_workshop(study, store, dataset)
    if identity not in (None, workshop.store.identity):
        raise LeakbenchError(
            f"the store must be the one of the run, but {store} on {platform.node()} is another; "
            "give a folder that all machines see under the same path"
        )
    left = train_all(workshop, rehearsed(study, workshop.dataset), Silent())
    trials = make_trials(study, left.workshop, left.recipes, Silent())
    attack_trials(study, trials, left.workshop, Silent(), _say_nothing)


def open_workshop(
    study: Study, store: str | Path, dataset: Dataset | None = None, dry: bool = False
) -> Workshop:
    """The data of a study, its split, and the store. A `dataset` is the study's own, read before.

    With `dry` the store is only read.
    """
    dataset, seed = dataset or study.load_data(), study.file.seed
    split = replace(study.design.split(dataset, seed), always=dataset.twins)
    require_measurable(dataset, split, FEWEST)
    return Workshop(dataset, split, seed, open_store(store, dry), study.file.group_size, study.file.engine)


def rehearsed(study: Study, dataset: Dataset) -> dict[str, Recipe]:
    """The recipes by label of their defence, when nothing is left that would be refused after hours of training."""
    recipes = {defence.label: defence.recipe(study.recipe) for defence in study.defences}
    for view in parse_views(study.query.shown):
        view(dataset.x[:1])  # tables have no mirror images
    if any(each.kind == "flips" for each in study.query.perturbations):
        binary_features(dataset.x, study.design.split(dataset, study.file.seed).records)
    public_rows(dataset, any(defence.needs_public for defence in study.defences))
    for recipe in dict.fromkeys(recipes.values()):
        rehearse(dataset, recipe)
    return recipes


def train_all(workshop: Workshop, recipes: Mapping[str, Recipe], progress: Progress) -> Survivors:
    """Train the models of every defence, and leave out what diverged."""
    labels: dict[Recipe, list[str]] = {}
    for label, recipe in recipes.items():
        labels.setdefault(recipe, []).append(label)
    missing = {recipe: workshop.missing(recipe) for recipe in labels}
    folders = {", ".join(labels[recipe]): workshop.folders(jobs) for recipe, jobs in missing.items()}
    progress.stage("training", sum(map(len, missing.values())))
    with watched(folders, progress):
        workshop.train(list(labels))
    return survivors(workshop, recipes)


def make_trials(
    study: Study, workshop: Workshop, recipes: Mapping[str, Recipe], progress: Progress
) -> list[Trial]:
    """What the models of every defence answer, the undefended ones first; defences of one recipe share theirs."""
    distinct = list(dict.fromkeys(recipes.values()))
    defences = [defence for defence in study.defences if defence.label in recipes]
    progress.stage("queries", sum(len(workshop.jobs(recipe)) for recipe in distinct))
    answers = {recipe: workshop.ask(recipe, study.query, progress) for recipe in distinct}
    made = release_all(defences, recipes, answers, workshop, progress)
    perturbed = perturb_all(study, defences, recipes, answers, workshop, progress)
    gradients = {}
    if study.white_box:
        progress.stage("gradients", sum(len(answers[recipe].entries) for recipe in distinct))
        gradients = {
            recipe: query_gradients(workshop, recipe, answers[recipe], progress) for recipe in distinct
        }
    features = components(workshop.dataset.x, workshop.rows) if study.reads_features else None
    trials = []
    for defence in defences:
        recipe = recipes[defence.label]
        own = answers[recipe]
        owner = workshop.owner(recipe, 0, own.entries[0])
        trials.append(
            Trial(
                defence,
                recipe,
                own,
                workshop.dataset,
                workshop.split,
                owner,
                made.get(defence.label),
                perturbed[defence.label],
                gradients.get(recipe),
                features,
            )
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


def perturb_all(
    study: Study,
    defences: Sequence[Protected],
    recipes: Mapping[str, Recipe],
    answers: Mapping[Recipe, Answers],
    workshop: Workshop,
    progress: Progress,
) -> dict[str, Perturbed | None]:
    """By label, what the models of each defence predict in perturbed views."""
    if study.query.perturbations:
        progress.stage("perturbed views", sum(len(answers[recipes[d.label]].entries) for d in defences))
    return {
        d.label: query_perturbed(
            workshop, d, recipes[d.label], answers[recipes[d.label]], study.query, progress
        )
        for d in defences
    }


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


@dataclass(frozen=True, eq=False)
class Looked:
    """What is told of defences without an attack."""

    rows: list[Row]
    flags: list[Flag]
    samples: list[SyntheticSample]
    layers: list[LayerSize]
    distributions: list[Distribution]
    generators: dict[str, Plugin]


def look_at_trials(study: Study, trials: list[Trial], workshop: Workshop, progress: Progress) -> Looked:
    """Utility and size of each defence, entropy and predicted risk of what it releases, its generator."""
    progress.stage("utility", len(trials))
    rows: list[Row] = []
    sizes = Footprints(workshop)
    for trial in trials:
        rows += [*utility(trial), *sizes.rows(trial, trials[0])]
        progress.advance()
    progress.stage("outputs", len(trials))
    workers = Workers(progress)

    def released(trial: Trial) -> Answered:
        label, targets = trial.defence.label, trial.split.targets
        found = answered(label, trial.released(), targets, study.file.seed, trial.traces, trial.average)
        workers.advance()
        return found

    answers = workers.map(released, trials)
    made = look_at_generators(trials, workshop, progress)
    rows += [row for each in answers for row in each.rows]
    return Looked(
        [*rows, *made.rows],
        [*made.flags, *privacy_flags(rows)],
        made.samples,
        [layer for trial in trials for layer in sizes.layers(trial, trials[0])],
        [each for found in answers for each in found.distributions],
        made.generators,
    )


def cost_trials(trials: list[Trial], workshop: Workshop, progress: Progress) -> list[Row]:
    """What each defence costs in training, in records and in time for an answer."""
    progress.stage("cost", len(trials))
    rows: list[Row] = []
    for trial in trials:
        rows += cost(trial, trials[0], workshop.dataset)
        progress.advance()
    return rows


def attack_trials(
    study: Study,
    trials: list[Trial],
    workshop: Workshop,
    progress: Progress,
    tell: Callable[[list[Findings]], None],
) -> tuple[dict[str, Findings], list[Findings]]:
    """Attack every defence, as one who knows it does and as one who ignores it; see `Attacks.find`."""
    attacks = attacks_on(study, trials, workshop, progress)
    if isinstance(progress, Timed) and progress.heard and attacks.left:
        progress.say(attacks.told())
    progress.stage("attacks", attacks.steps)
    return attacks.find(tell)


def attacks_on(study: Study, trials: list[Trial], workshop: Workshop, progress: Progress) -> Attacks:
    """The attacks of a study, ready to begin."""
    names = _names(workshop.dataset, workshop.split)
    return Attacks(study, trials, names, workshop.store, Workers(progress))


def _names(dataset: Dataset, split: Split) -> Names:
    return Names(split.records, dataset.classes, None, dataset.x[split.records] if dataset.is_image else None)
