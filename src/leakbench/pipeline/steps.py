"""The steps of a run, in order: train, query, release, measure the outputs, attack, compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import InputError
from ..core.progress import Progress, TimedProgress, watched
from ..core.registry import Plugin
from ..core.results import UNDEFENDED, Distribution, Flag, LayerSize, Row, SyntheticSample
from ..core.store import open_store
from ..core.threads import Workers
from ..data.dataset import Dataset
from ..data.plant import require_measurable
from ..defences.chain import DefenceChain
from ..evaluation.findings import Findings, Names
from ..evaluation.flags import privacy_flags
from ..evaluation.measure import FEWEST
from ..evaluation.paired_differences import differences
from ..evaluation.predicted_risk import PredictedRisk, predict_risk
from ..signals.copies import of_content
from ..signals.features import components
from ..signals.views import parse_views
from ..train.device import require_precision
from ..train.query import binary_features
from ..train.recipe import CodeRecipe, Recipe
from ..train.run_stages import rehearse
from ..train.stage_data import public_rows
from .attack import Attacks
from .code_models import identity
from .compare import matched_in_accuracy, origin_of_leakage, public_twins
from .defended_models import DefendedModels
from .distillation import distil
from .diverged import Converged, without_diverged
from .generator_audit import audit_generators
from .gradients import query_gradients
from .model_size import Footprints
from .perturbed_views import Perturbed, query_perturbed
from .query import Querier, StoredLogits
from .release import Released, release
from .study import Study
from .train import Trainer
from .utility import accuracy_difference, cost, utility


def open_trainer(
    study: Study, store: str | Path, dataset: Dataset | None = None, dry: bool = False
) -> Trainer:
    """The trainer of a study.

    Args:
        study: The study.
        store: The folder or URL of the store.
        dataset: The data set of the study, if it has been read already.
        dry: The store is read and not changed.
    """
    require_precision(study.file.engine)
    dataset, seed = dataset or study.load_data(), study.file.seed
    split = replace(study.design.split(dataset, seed), always=dataset.twins)
    require_measurable(dataset, split, FEWEST)
    about = (study.file.group_size, study.file.engine, study.query.perturbations)
    return Trainer(dataset, split, seed, open_store(store, dry), *about)


def checked_recipes(study: Study, dataset: Dataset) -> dict[str, Recipe]:
    """The recipes by label of their defence. Raises every error of the study that can be found before training."""
    recipes = {defence.label: defence.recipe(study.recipe) for defence in study.defences}
    for view in parse_views(study.query.shown):
        view(dataset.x[:1])  # tables have no mirror images
    if any(each.kind == "flips" for each in study.query.perturbations):
        binary_features(dataset.x, study.design.split(dataset, study.file.seed).records)
    public_rows(dataset, any(defence.needs_public for defence in study.defences))
    if study.distils and not len(public_rows(dataset, False)):
        raise InputError(
            f"{' and '.join(study.distils)} must have public records, on which the attacker distils students, and "
            f"{dataset.name!r} has none; set `public` in the [data] table to how many to keep apart, or leave out "
            "these attacks"
        )
    for recipe in dict.fromkeys(recipes.values()):
        identity(recipe) if isinstance(recipe, CodeRecipe) else rehearse(dataset, recipe)
    return recipes


def train_all(trainer: Trainer, recipes: Mapping[str, Recipe], progress: Progress) -> Converged:
    """Train the models of every defence, and leave out what diverged."""
    labels: dict[Recipe, list[str]] = {}
    for label, recipe in recipes.items():
        labels.setdefault(recipe, []).append(label)
    missing = {recipe: trainer.missing(recipe) for recipe in labels}
    folders = {", ".join(labels[recipe]): trainer.folders(jobs) for recipe, jobs in missing.items()}
    progress.stage("training", sum(map(len, missing.values())))
    with watched(folders, progress):
        trainer.train(list(labels))
    return without_diverged(trainer, recipes)


def query_models(
    study: Study, querier: Querier, recipes: Mapping[str, Recipe], progress: Progress
) -> list[DefendedModels]:
    """The logits of the models of every defence, the undefended ones first. Defences of one recipe share theirs."""
    distinct = list(dict.fromkeys(recipes.values()))
    defences = [defence for defence in study.defences if defence.label in recipes]
    progress.stage("queries", sum(len(querier.trainer.jobs(recipe)) for recipe in distinct))
    logits = {recipe: querier.logits(recipe, study.query, progress) for recipe in distinct}
    cached = release_all(defences, recipes, logits, querier, progress)
    perturbed = perturb_all(study, defences, recipes, logits, querier, progress)
    gradients = {}
    if study.white_box:
        progress.stage("gradients", sum(len(logits[recipe].entries) for recipe in distinct))
        gradients = {
            recipe: query_gradients(querier, recipe, logits[recipe], progress) for recipe in distinct
        }
    students = distil(study, defences, recipes, logits, querier, progress)
    features = components(querier.trainer.dataset.x, querier.rows) if study.reads_features else None
    dataset, rows = querier.trainer.dataset, querier.trainer.split.records
    copies = of_content(dataset.y, dataset.x, rows)
    all_defended = []
    for defence in defences:
        recipe = recipes[defence.label]
        defender = querier.defender(recipe, 0, logits[recipe].entries[0])
        all_defended.append(
            DefendedModels(
                defence,
                recipe,
                logits[recipe],
                dataset,
                querier.trainer.split,
                defender,
                cached.get(defence.label),
                perturbed[defence.label],
                gradients.get(recipe),
                features,
                students[defence.label],
                copies,
            )
        )
    return sorted(all_defended, key=lambda defended: defended.defence.label != UNDEFENDED)


def release_all(
    defences: Sequence[DefenceChain],
    recipes: Mapping[str, Recipe],
    logits: Mapping[Recipe, StoredLogits],
    querier: Querier,
    progress: Progress,
) -> dict[str, Released]:
    """The released outputs, by label, of the defences that compute them once per model."""
    once = [defence for defence in defences if defence.cached_per_model]
    progress.stage("released outputs", sum(len(logits[recipes[d.label]].entries) for d in once))
    return {d.label: release(querier, d, recipes[d.label], logits[recipes[d.label]], progress) for d in once}


def perturb_all(
    study: Study,
    defences: Sequence[DefenceChain],
    recipes: Mapping[str, Recipe],
    logits: Mapping[Recipe, StoredLogits],
    querier: Querier,
    progress: Progress,
) -> dict[str, Perturbed | None]:
    """By label, the classes that the models of each defence predict in perturbed views."""
    if study.query.perturbations:
        progress.stage("perturbed views", sum(len(logits[recipes[d.label]].entries) for d in defences))
    return {
        d.label: query_perturbed(
            querier, d, recipes[d.label], logits[recipes[d.label]], study.query, progress
        )
        for d in defences
    }


@dataclass(frozen=True, eq=False)
class StudyMeasures:
    """The results of a study that need no attack."""

    rows: list[Row]
    flags: list[Flag]
    samples: list[SyntheticSample]
    layers: list[LayerSize]
    distributions: list[Distribution]
    generators: dict[str, Plugin]


def measure_outputs(
    study: Study, all_defended: list[DefendedModels], trainer: Trainer, progress: Progress
) -> StudyMeasures:
    """Utility and size of each defence, entropy and predicted risk of what it releases, its generator."""
    progress.stage("utility", len(all_defended))
    rows: list[Row] = []
    sizes = Footprints(trainer)
    for defended in all_defended:
        rows += [*utility(defended), *sizes.rows(defended, all_defended[0])]
        progress.advance()
    progress.stage("outputs", len(all_defended))
    workers = Workers(progress)

    def released(defended: DefendedModels) -> PredictedRisk:
        label, targets = defended.defence.label, defended.split.targets
        found = predict_risk(
            label, defended.released(), targets, study.file.seed, defended.traces, defended.average
        )
        workers.advance()
        return found

    predicted = workers.map(released, all_defended)
    audited = audit_generators(all_defended, trainer, progress)
    rows += [row for each in predicted for row in each.rows]
    return StudyMeasures(
        [*rows, *audited.rows],
        [*audited.flags, *privacy_flags(rows)],
        audited.samples,
        [layer for defended in all_defended for layer in sizes.layers(defended, all_defended[0])],
        [each for found in predicted for each in found.distributions],
        audited.generators,
    )


def measure_costs(all_defended: list[DefendedModels], trainer: Trainer, progress: Progress) -> list[Row]:
    """The cost of each defence: training time, further records, latency."""
    progress.stage("cost", len(all_defended))
    rows: list[Row] = []
    for defended in all_defended:
        rows += cost(defended, all_defended[0], trainer.dataset)
        progress.advance()
    return rows


def attack_models(
    study: Study,
    all_defended: list[DefendedModels],
    trainer: Trainer,
    progress: Progress,
    on_findings: Callable[[list[Findings]], None],
) -> tuple[dict[str, Findings], list[Findings]]:
    """Attack every defence, as an adaptive and as a non-adaptive attacker; see `Attacks.find`."""
    attacks = prepare_attacks(study, all_defended, trainer, progress)
    if isinstance(progress, TimedProgress) and progress.heard and attacks.left:
        progress.say(attacks.estimate())
    progress.stage("attacks", attacks.steps)
    return attacks.find(on_findings)


def prepare_attacks(
    study: Study, all_defended: list[DefendedModels], trainer: Trainer, progress: Progress
) -> Attacks:
    """The attacks of a study, ready to begin."""
    data, records = trainer.dataset, trainer.split.records
    names = Names(records, data.classes, None, data.x[records] if data.is_image else None)
    return Attacks(study, all_defended, names, trainer.store, Workers(progress))


def compare_defences(
    study: Study, all_defended: list[DefendedModels], found: Mapping[str, Findings], progress: Progress
) -> list[Row]:
    """Paired differences of each defence from none, from the frontier at its accuracy, from its public twin."""
    by_label = {defended.defence.label: defended for defended in all_defended}
    matched = matched_in_accuracy(all_defended, [label for label in study.file.frontier if label in by_label])
    twins = public_twins(all_defended)
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
