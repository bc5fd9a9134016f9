"""Released predictions in perturbed views: computed once per model, and stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.progress import Progress
from ..core.seeds import derive
from ..core.store import Entry, Made, expected
from ..defences.chain import DefenceChain
from ..signals.axes import Numbers
from ..signals.types import Array, PerModel
from ..signals.views import Perturbation
from ..train.query import predicted_classes
from ..train.recipe import Recipe
from .query import Querier, StoredLogits
from .study import Query
from .train import PREDICTED

FILE = "predicted.npy"


@dataclass(frozen=True, eq=False)
class Perturbed:
    """The classes that M models predict in K perturbed views of the candidate records."""

    predicted: PerModel  # [M, K, N]
    views: tuple[str, ...]  # [K] names
    entries: Sequence[Entry]  # [M]


def query_perturbed(
    querier: Querier,
    defence: DefenceChain,
    recipe: Recipe,
    stored: StoredLogits,
    query: Query,
    progress: Progress,
) -> Perturbed | None:
    """The predicted classes that a defence releases; None without perturbed views.

    An output transform that keeps the largest class is not computed: defences of one recipe share these entries.
    """
    perturbations = query.perturbations
    if not perturbations:
        return None
    views = tuple(each.name for each in perturbations for _ in range(each.draws))
    specs = _specs(querier, defence, recipe, stored, perturbations)
    shape = (len(views), len(querier.trainer.split.records))

    def make(m: int) -> Made:
        return {FILE: _predicted(querier, defence, recipe, m, stored.entries[m], perturbations)}, {}

    def check(entry: Entry) -> None:
        expected(entry.array(FILE), shape, "u")

    entries = querier.trainer.store.shared(
        "predictions", specs, make, lambda m, entry: progress.advance(), check=check
    )

    def load(m: int) -> Numbers:
        return entries[m].array(FILE)

    return Perturbed(PerModel((len(entries), *shape), load, np.dtype(np.uint8)), views, entries)


def unqueried(
    querier: Querier, defence: DefenceChain, recipe: Recipe, stored: StoredLogits, query: Query
) -> int:
    """The number of models without predicted classes in the store."""
    specs = _specs(querier, defence, recipe, stored, query.perturbations)
    return sum(not querier.trainer.store.has("predictions", spec) for spec in specs)


def _specs(
    querier: Querier,
    defence: DefenceChain,
    recipe: Recipe,
    stored: StoredLogits,
    perturbations: Sequence[Perturbation],
) -> list[dict[str, object]]:
    """The spec of the predicted classes of each model, with its defender if the output transform changes them."""
    changes = [part.describe() for part in defence.parts] if defence.changes_labels else []
    return [
        {
            "model": entry.path.name,
            **querier.trainer.perturbed(perturbations),
            "defence": changes,
            "defender": querier.defender(recipe, m, entry).seed if changes else None,
        }
        for m, entry in enumerate(stored.entries)
    ]


def _predicted(
    querier: Querier,
    defence: DefenceChain,
    recipe: Recipe,
    m: int,
    model: Entry,
    perturbations: Sequence[Perturbation],
) -> NDArray[np.unsignedinteger[Any]]:
    trainer, defender = querier.trainer, querier.defender(recipe, m, model)
    data, records = trainer.dataset, trainer.split.records
    if not defence.changes_labels and model.meta.get("perturbed") == trainer.perturbed(perturbations):
        return model.array(PREDICTED)  # of code, while the model existed

    def release(k: int, logits: Array) -> Array:
        if not defence.changes_labels:
            return logits
        return defence.release(replace(defender, seed=derive(defender.seed, "perturbed view", k)))(logits)

    about = (data.x, len(data.classes), recipe.architecture, querier.weights(recipe, m, model), records)
    found: NDArray[np.unsignedinteger[Any]] = predicted_classes(
        *about, perturbations, trainer.seed, release, **trainer.settings(recipe)
    )
    return found
