"""Queries trained models: their logits on the candidate records and the test part, stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, StoreError
from ..core.progress import Progress
from ..core.seeds import derive
from ..core.store import Entry, expected, remedy
from ..data.dataset import Indices
from ..defences.defender import Defender, Records
from ..signals.types import PerModel
from ..signals.views import parse_views
from ..train.job import Job
from ..train.query import Weights, predict_logits, predict_noisy_logits, predictor
from ..train.recipe import CodeRecipe, Recipe
from .any_model.training import read_outputs
from .study import Query
from .train import WEIGHTS, Trainer, row_digest


@dataclass(frozen=True, eq=False)
class StoredLogits:
    """The logits of the models of one recipe, read on demand, and their entries in the store."""

    logits: PerModel  # [M, V, N, C]
    noisy: PerModel | None  # [M, K, N, C], first view
    noise_scale: float
    entries: Sequence[Entry]  # [M] models, with the cost of each
    signals: Sequence[Entry]  # [M] logits
    views: tuple[str, ...]  # [V] names


@dataclass(frozen=True, eq=False)
class Querier:
    """Queries the models that a trainer makes."""

    trainer: Trainer

    def logits(self, recipe: Recipe, query: Query, progress: Progress) -> StoredLogits:
        """The logits of every model of a recipe on the candidate records, then on the test part."""
        entries = self.trainer.models(recipe)
        specs = [self._spec(entry.path.name, query) for entry in entries]
        signals = self.trainer.store.shared(
            "signals",
            specs,
            lambda m: (self._query(recipe, m, entries[m], query), {}),
            lambda m, entry: progress.advance(),
            check=partial(self._check, query),
        )

        def per_model(name: str) -> PerModel:
            first = signals[0].array(name)
            return PerModel((len(signals), *first.shape), lambda m: signals[m].array(name))

        noisy = per_model("noisy.npy") if query.noise else None
        views = tuple(view.name for view in parse_views(query.shown))
        return StoredLogits(per_model("logits.npy"), noisy, query.noise_scale, entries, signals, views)

    def _check(self, query: Query, entry: Entry) -> None:
        """Raise unless an entry holds the logits that a query makes."""
        shape = (len(self.rows), len(self.trainer.dataset.classes))
        expected(entry.array("logits.npy"), (len(parse_views(query.shown)), *shape), "f")
        if query.noise:
            expected(entry.array("noisy.npy"), (query.noise, *shape), "f")

    @property
    def rows(self) -> Indices:
        """The records that every model is queried with: the candidate records, then the test part."""
        return np.concatenate([self.trainer.split.records, self.trainer.dataset.parts["test"]])

    def has(self, job: Job, query: Query) -> bool:
        """Whether the store holds the logits of a job's model."""
        return self.trainer.store.has("signals", self._spec(self.trainer.key(job), query))

    def defender(self, recipe: Recipe, m: int, model: Entry) -> Defender:
        """The defender of model m of a recipe."""
        data, job = self.trainer.dataset, self.trainer.jobs(recipe)[m]

        def records(rows: Indices) -> Records:
            return Records(data.x[rows], data.y[rows])

        def predict(x: NDArray[np.float32]) -> NDArray[np.float64]:
            return network()(x).astype(np.float64)

        @cache
        def network() -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
            weights = self.weights(recipe, m, model)
            about = (data.x.shape[1:], len(data.classes), recipe.architecture, weights)
            return predictor(*about, **self.trainer.settings(recipe))

        return Defender(
            self.trainer.seed_of("owner", m),
            predict,
            members=lambda: records(job.members),
            public=lambda: records(data.parts.get("public", np.empty(0, np.int64))),
        )

    def _spec(self, model: str, query: Query) -> dict[str, Any]:
        """The content of the key of the logits of the model of this key."""
        return {
            "model": model,
            "rows": row_digest(self.rows),
            "views": list(query.shown),
            "noise": [query.noise, query.noise_scale] if query.noise else [],
        }

    def weights(self, recipe: Recipe, m: int, model: Entry) -> Weights:
        """The weights of model m of a recipe; of code, the model itself, trained again."""
        return (
            self.trainer.trained_again(recipe, m)
            if isinstance(recipe, CodeRecipe)
            else model.tensors(WEIGHTS)
        )

    def _query(self, recipe: Recipe, m: int, model: Entry, query: Query) -> dict[str, Any]:
        classes, rows = len(self.trainer.dataset.classes), self.rows
        if isinstance(recipe, CodeRecipe) and query.shown == ("identity",) and not query.noise:
            outputs = read_outputs(model, len(self.trainer.dataset.y))
            return {"logits.npy": outputs.finite()[None, rows]}
        about = (self.trainer.dataset.x, classes, recipe.architecture, self.weights(recipe, m, model), rows)
        settings = self.trainer.settings(recipe)
        try:
            files = {"logits.npy": predict_logits(*about, query.shown, **settings)}
        except InputError as error:
            raise StoreError(
                f"{model.path} holds no model of this study: {error}; {remedy(model.path)}"
            ) from None
        if query.noise:
            noise = (query.noise, query.noise_scale, derive(self.trainer.seed, "noise"))
            files["noisy.npy"] = predict_noisy_logits(*about, *noise, **settings)
        return files
