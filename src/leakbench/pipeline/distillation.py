"""Students that an attacker distils from the models of a defence: made once, and stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..core.progress import Progress
from ..core.seeds import derive
from ..core.store import Entry, Made, expected
from ..defences.chain import DefenceChain
from ..signals.axes import Numbers
from ..signals.statistics import log_softmax
from ..signals.trajectories import METRICS, metrics
from ..signals.types import Array
from ..train.query import predict_logits
from ..train.recipe import Recipe
from ..train.stage_data import public_rows
from ..train.students import student_recipe, trajectories
from .query import Querier, StoredLogits
from .study import Study
from .train import WEIGHTS, row_digest

FILE = "trajectories.npy"
RELEASED, ADVERSARY_VIEW = "released", "adversary view"


@dataclass(frozen=True, eq=False)
class Students:
    """The trajectories of the students of M models, as `Signals` holds them, and their entry in the store."""

    trajectories: Numbers  # [M, E F, N], memory-mapped
    entry: Entry


@dataclass(frozen=True, eq=False)
class Distillation:
    """The students of the models of a defence, that learn from one view of what it releases."""

    querier: Querier
    defence: DefenceChain
    recipe: Recipe  # of the models
    student: Recipe
    stored: StoredLogits
    view: str  # RELEASED, or ADVERSARY_VIEW: after an adaptive attacker has undone what can be undone

    @property
    def spec(self) -> dict[str, Any]:
        """The content of the key of the trajectories."""
        trainer, changes = self.querier.trainer, self.defence.changes_output
        transform = {"parts": [part.describe() for part in self.defence.parts], "view": self.view}
        return {
            "models": [entry.path.name for entry in self.stored.entries],
            "transform": transform if changes else None,
            "student": self.student.describe(),
            "rows": row_digest(trainer.split.records),
            "public": row_digest(self._public),
            "numbers": [trainer.split.number(m) for m in range(len(self.stored.entries))],
            "seed": trainer.seed,
            "engine": trainer.engine_of(self.student).describe(),
        }

    def make(self) -> Made:
        """Distil the students."""
        trainer, records = self.querier.trainer, self.querier.trainer.split.records
        teachers = [self._taught(m) for m in range(len(self.stored.entries))]
        about = (
            partial(metrics, y=trainer.dataset.y[records]),
            derive(trainer.seed, "student"),
            trainer.engine_of(self.student),
        )
        return {FILE: trajectories(trainer.dataset, self.student, teachers, records, *about)}, {}

    def students(self, entry: Entry) -> Students:
        """The students in an entry. Raises ValueError unless it holds the trajectories of this distillation."""
        epochs, records = len(self.student.stages), self.querier.trainer.split.records
        shape = (len(self.stored.entries), epochs * len(METRICS), len(records))
        return Students(expected(entry.array(FILE), shape, "f"), entry)

    @property
    def _public(self) -> np.ndarray[Any, Any]:
        return public_rows(self.querier.trainer.dataset, True).numpy()

    def _taught(self, m: int) -> Array:
        """The probabilities that the student of model m learns, on the public records [P, C]."""
        trainer, model = self.querier.trainer, self.stored.entries[m]
        data, weights = trainer.dataset, model.tensors(WEIGHTS)
        about = (data.x, len(data.classes), self.recipe.architecture, weights, self._public)
        logits = predict_logits(*about, **trainer.settings(self.recipe)).astype(np.float64)
        defender = self.querier.defender(self.recipe, m, model)
        defender = replace(defender, seed=derive(defender.seed, "public records"))
        release = self.defence.release if self.view == RELEASED else self.defence.observed
        return np.exp(log_softmax(release(defender)(logits)[0]))


def distil(
    study: Study,
    defences: Sequence[DefenceChain],
    recipes: Mapping[str, Recipe],
    logits: Mapping[Recipe, StoredLogits],
    querier: Querier,
    progress: Progress,
) -> dict[str, dict[str, Students]]:
    """By label and view, the students of the models of each defence. Defences that release the same share theirs."""
    every = distillations(study, defences, recipes, logits, querier)
    progress.stage("distillation", len(every))
    entries = querier.trainer.store.shared(
        "students",
        [each.spec for each in every],
        lambda i: every[i].make(),
        lambda i, entry: progress.advance(),
        check=lambda entry: every[0].students(entry),
    )
    found: dict[str, dict[str, Students]] = {defence.label: {} for defence in defences}
    for each, entry in zip(every, entries, strict=True):
        found[each.defence.label][each.view] = each.students(entry)
    return found


def distillations(
    study: Study,
    defences: Sequence[DefenceChain],
    recipes: Mapping[str, Recipe],
    logits: Mapping[Recipe, StoredLogits],
    querier: Querier,
) -> list[Distillation]:
    """Every distillation of the study; none where no attack reads students."""
    if not study.distils:
        return []
    student = student_recipe(study.recipe, study.query.student_epochs)
    return [
        Distillation(querier, defence, recipes[defence.label], student, logits[recipes[defence.label]], view)
        for defence in defences
        for view in (RELEASED, ADVERSARY_VIEW)[: 1 + defence.changes_output]
    ]
