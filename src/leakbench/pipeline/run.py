"""Run a study: train, query, defend, attack, measure. Read from top to bottom, it is the flow of the design."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

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
    clock, progress = Clock(), TimedProgress(progress or NullProgress())
    trainer = open_trainer(study, store)
    recipes = checked_recipes(study, trainer.dataset)
    event("run", title=study.file.title, version=__version__, store=str(store))
    if executor is None:
        executor = LocalExecutor(processes or fastest_processes(trainer, list(recipes.values())))
    with executor.helping(study.describe(), trainer.store.place, trainer.dataset):
        left = train_all(trainer, recipes, progress)
        all_defended = query_models(study, Querier(left.trainer), left.recipes, progress)
        looked = measure_outputs(study, all_defended, left.trainer, progress)
        outcome = PartialResults(study, all_defended, looked, left, clock, progress)
        tell = outcome.teller(growing or _nobody)
        adaptive, ignoring = attack_models(study, all_defended, left.trainer, progress, tell)
    costs = measure_costs(all_defended, left.trainer, progress)  # which takes times, so alone on the machine
    compared = compare_defences(study, all_defended, adaptive, progress)
    found = [*adaptive.values(), *ignoring]
    measured = [*(row for f in found for row in f.rows), *looked.rows]
    together = rank_correlations(measured, study.file.seed)
    progress.done()
    lost = [LOST.format(said) for said in executor.lost]
    return outcome.results(found, [*compared, *costs, *together], [*lost, *trainer.store.damaged])


@dataclass(frozen=True, eq=False)
class PartialResults:
    """All that a run knows beside what its attackers find."""

    study: Study
    all_defended: Sequence[DefendedModels]
    looked: "StudyMeasures"
    left: Converged
    clock: Clock
    progress: TimedProgress

    def results(self, found: Sequence[Findings], others: Sequence[Row], notes: Sequence[str]) -> Results:
        """The results with what was found by the attackers, `others` rows, and notes."""
        study, looked = self.study, self.looked
        leaked = [row for f in found for row in f.rows]
        used = {row.attack for row in leaked}
        parts = {part.name: part for defended in self.all_defended for part in defended.defence.parts}
        data, parts_of_time = self.all_defended[0].dataset.describe(), self.progress.parts
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
                | {*notes, *study.notes, *self.all_defended[0].dataset.notes}
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
            note = f"unfinished: {len(defences)} of {len(self.all_defended)} defences were attacked so far"
            growing(lambda: self.results(so_far, [], [note]))

        return tell


def _nobody(results: Callable[[], Results]) -> None:
    """For who waits for the end of a run."""


def strongest(found: Findings) -> str | None:
    """One line on what an attacker who knows the defence found; None on one who does not."""
    rows = (row for row in found.rows if row.attack == BEST and row.metric == "auc" and row.slice == "all")
    row = next(rows, None)
    if row is None or row.adaptive is False:
        return None
    return f"{row.defence}: AUC {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}] by {row.selected}"
