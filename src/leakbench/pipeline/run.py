"""Run a study: train, query, defend, attack, measure. Read from top to bottom, it is the flow of the design."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ..core.errors import InputError
from ..core.log import event
from ..core.progress import NullProgress, Progress, TimedProgress
from ..core.provenance import Clock, provenance
from ..core.results import BEST, Row
from ..core.version import __version__
from ..evaluation.findings import Findings, method_boxes
from ..evaluation.predictor_correlations import rank_correlations
from ..report.results import Results
from .autotune_processes import fastest_processes
from .defended_models import DefendedModels
from .diverged import Converged
from .executors.base import Executor
from .executors.local import LocalExecutor
from .query import Querier
from .steps import (
    StudyMeasures,
    attack_models,
    checked_recipes,
    compare_defences,
    measure_costs,
    measure_outputs,
    open_trainer,
    query_models,
    train_all,
)
from .study import Study

LOST = "a worker process ended early, and the run did its work: {}"


def run(
    study: Study,
    store: str | Path = "leakbench-store",
    progress: Progress | None = None,
    processes: int | None = None,
    executor: Executor | None = None,
    growing: Callable[[Callable[[], Results]], None] | None = None,
) -> Results:
    """Run a study and return its results.

    Models, their logits and the findings about each defence are cached in `store`. An interrupted run resumes where it
    stopped. A study that changes one defence trains and attacks only that defence. The number of processes does not
    change any result.

    Args:
        study: The study, from `Study.load` or `Study.of`.
        store: The folder or URL of the store.
        progress: Receives the stages and their steps. Default: nothing is shown.
        processes: The number of processes on this machine. Default: the fastest measured number.
        executor: Starts worker processes elsewhere, in place of `processes`.
        growing: Is called whenever a defence has been attacked, in any thread, with a function that returns the results
            so far.

    Raises:
        InputError: The study cannot be run as it is.
        StoreError: The store cannot be used.
        LeakbenchError: Too many models diverge, or the executor finds no workers.
        ModuleNotFoundError: The study needs an optional package.
    """
    if not isinstance(study, Study):
        raise InputError(f"study must be a Study, got {study!r}; read a study file with leakbench.Study.load")
    clock, progress = Clock(), TimedProgress(progress or NullProgress())
    trainer = open_trainer(study, store)
    recipes = checked_recipes(study, trainer.dataset)
    event("run", title=study.file.title, version=__version__, store=str(store))
    if executor is None:
        executor = LocalExecutor(processes or fastest_processes(trainer, list(recipes.values())))
    with executor.start_workers(study.describe(), trainer.store.place, trainer.dataset):
        converged = train_all(trainer, recipes, progress)
        all_defended = query_models(study, Querier(converged.trainer), converged.recipes, progress)
        measures = measure_outputs(study, all_defended, converged.trainer, progress)
        partial = PartialResults(study, all_defended, measures, converged, clock, progress)
        on_findings = partial.on_findings(growing or _ignore)
        adaptive, non_adaptive = attack_models(study, all_defended, converged.trainer, progress, on_findings)
    costs = measure_costs(all_defended, converged.trainer, progress)  # times, so after the workers have ended
    compared = compare_defences(study, all_defended, adaptive, progress)
    found = [*adaptive.values(), *non_adaptive]
    measured = [*(row for f in found for row in f.rows), *measures.rows]
    correlations = rank_correlations(measured, study.file.seed)
    progress.done()
    lost = [LOST.format(message) for message in executor.lost]
    notes = [*lost, *trainer.store.damaged, *converged.trainer.code_notes(set(recipes.values()))]
    return partial.results(found, [*compared, *costs, *correlations], notes)


@dataclass(frozen=True, eq=False)
class PartialResults:
    """The results of a run so far, apart from the findings of its attacks."""

    study: Study
    all_defended: Sequence[DefendedModels]
    measures: StudyMeasures
    converged: Converged
    clock: Clock
    progress: TimedProgress

    def results(self, found: Sequence[Findings], others: Sequence[Row], notes: Sequence[str]) -> Results:
        """The results of these findings, with `others` rows and notes."""
        study, measures = self.study, self.measures
        leaked = [row for f in found for row in f.rows]
        used = {row.attack for row in leaked}
        parts = {part.name: part for defended in self.all_defended for part in defended.defence.parts}
        data, parts_of_time = self.all_defended[0].dataset.describe(), self.progress.parts
        return Results(
            kind="run",
            title=study.file.title,
            rows=[*leaked, *others, *measures.rows],
            curves=[curve for f in found for curve in f.curves],
            flags=[*(flag for f in found for flag in f.flags), *measures.flags, *self.converged.flags],
            records=[record for f in found for record in f.records],
            methods=method_boxes(
                {label: attack for label, attack in study.attacks.items() if label in used},
                {**parts, **measures.generators},
            ),
            provenance={
                **provenance(self.clock, study.file.seed, data, parts_of_time, study.file.attacks),
                "precision": self.converged.precision,
            },
            study=study.describe(),
            notes=sorted(
                {note for f in found for note in f.notes}
                | {*notes, *study.notes, *self.all_defended[0].dataset.notes}
            ),
            samples=measures.samples,
            layers=measures.layers,
            distributions=measures.distributions,
            exposures=[exposure for f in found for exposure in f.exposures],
            overlaps=[overlap for f in found for overlap in f.overlaps],
            scores=[case for f in found for case in f.scores],
        )

    def on_findings(
        self, growing: Callable[[Callable[[], Results]], None]
    ) -> Callable[[list[Findings]], None]:
        """A function that takes the findings of one defence after the other, and passes on the results so far."""
        collected, one_at_a_time = list[Findings](), Lock()

        def add(found: list[Findings]) -> None:
            with one_at_a_time:
                collected.extend(found)
                so_far = list(collected)
            for line in filter(None, map(strongest, found)):
                self.progress.say(line)
            defences = {row.defence for f in so_far for row in f.rows}
            note = f"unfinished: {len(defences)} of {len(self.all_defended)} defences were attacked so far"
            growing(lambda: self.results(so_far, [], [note]))

        return add


def _ignore(results: Callable[[], Results]) -> None:
    """Do nothing: the caller reads the results at the end of the run only."""


def strongest(found: Findings) -> str | None:
    """One line on the strongest adaptive attack; None for a non-adaptive attacker."""
    rows = (row for row in found.rows if row.attack == BEST and row.metric == "auc" and row.slice == "all")
    row = next(rows, None)
    if row is None or row.adaptive is False:
        return None
    return f"{row.defence}: AUC {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}] by {row.selected}"
