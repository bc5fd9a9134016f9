"""Gradient norms of the candidate records, for white-box attacks: computed once per model, and stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.progress import Progress
from ..core.store import Entry, Made, expected
from ..signals.axes import Numbers
from ..signals.statistics import GRADIENT_NORMS
from ..signals.types import PerModel
from ..train.gradients import log_gradient_norms
from ..train.recipe import Recipe
from .query import Querier, StoredLogits
from .train import WEIGHTS, row_digest

FILE = "log_norms.npy"


@dataclass(frozen=True, eq=False)
class Gradients:
    """The logarithm of the gradient norm of every candidate record in M models, as `log_gradient_norms` computes it."""

    log_norms: PerModel  # [M, K, N], K = 1 without those in the last layer
    entries: Sequence[Entry]  # [M]


def query_gradients(querier: Querier, recipe: Recipe, stored: StoredLogits, progress: Progress) -> Gradients:
    """The gradient norms of a recipe's models. They depend on the parameters, not on output transforms."""
    data, records = querier.trainer.dataset, querier.trainer.split.records
    specs = _specs(querier, stored)

    def make(m: int) -> Made:
        about = (len(data.classes), recipe.architecture, stored.entries[m].tensors(WEIGHTS), records)
        return {FILE: log_gradient_norms(data.x, data.y, *about, **querier.trainer.settings(recipe))}, {}

    def check(entry: Entry) -> None:
        found = expected(entry.array(FILE), (None, len(records)), "f")
        if not 1 <= len(found) <= len(GRADIENT_NORMS):
            raise ValueError(f"there must be 1 or {len(GRADIENT_NORMS)} norms of a record, got {len(found)}")

    entries = querier.trainer.store.shared(
        "gradients", specs, make, lambda m, entry: progress.advance(), check=check
    )

    def load(m: int) -> Numbers:
        return entries[m].array(FILE)

    return Gradients(PerModel((len(entries), *load(0).shape), load, np.dtype(np.float64)), entries)


def uncomputed(querier: Querier, stored: StoredLogits) -> int:
    """The number of models without gradient norms in the store."""
    return sum(not querier.trainer.store.has("gradients", spec) for spec in _specs(querier, stored))


def _specs(querier: Querier, stored: StoredLogits) -> list[dict[str, Any]]:
    """The spec of the gradient norms of each model."""
    rows = row_digest(querier.trainer.split.records)
    return [{"model": entry.path.name, "rows": rows} for entry in stored.entries]
