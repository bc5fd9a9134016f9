"""Trained models and their answers, each made once: found in the store, or made and put there."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data.dataset import Dataset, Indices
from .data.designs import Split
from .executors.local import LocalExecutor
from .key import content_key
from .progress import Progress
from .seeds import derive
from .store import Entry, Store
from .train.job import Job, groups
from .train.query import query
from .train.recipe import Recipe
from .train.stacked import train_group


@dataclass(frozen=True, eq=False)
class Answers:
    """What the models of one recipe answered, and their entries in the store, which hold what they cost."""

    logits: NDArray[np.float32]  # [M, V, N, C]
    entries: Sequence[Entry]  # [M]


@dataclass(frozen=True, eq=False)
class Workshop:
    """Makes models and asks them: one data set, one split, one seed, one store."""

    dataset: Dataset
    split: Split
    seed: int
    store: Store
    group_size: int = 32
    _found: dict[str, Entry] = field(default_factory=dict, repr=False)  # verified once a run, by key

    def jobs(self, recipe: Recipe) -> list[Job]:
        """One training job for each model of the split. Model m has the same seed under every defence."""
        return [
            Job(recipe, self.split.records[members], dev, derive(self.seed, "model", m))
            for m, (members, dev) in enumerate(zip(self.split.members, self.split.dev, strict=True))
        ]

    def spec(self, job: Job) -> dict[str, Any]:
        """What determines a model: the content of its key."""
        return job.describe(self.dataset.fingerprint)

    def missing(self, recipe: Recipe) -> list[Job]:
        """The jobs that the store does not hold yet."""
        return [job for job in self.jobs(recipe) if self._model(job) is None]

    def train(self, recipe: Recipe, progress: Progress) -> list[Entry]:
        """The models of a recipe, trained where the store has none; each is kept as soon as its group is done."""
        batches = list(groups(self.missing(recipe), self.group_size))

        def work(batch: Sequence[Job]) -> None:
            for job, trained in zip(batch, train_group(self.dataset, batch), strict=True):
                spec = self.spec(job)
                files = {"weights.safetensors": trained.weights}
                self._found[content_key(spec)] = self.store.put("models", spec, files, trained.log)
            progress.advance(len(batch))

        for _ in LocalExecutor().map(work, batches):
            pass
        return [self._found[content_key(self.spec(job))] for job in self.jobs(recipe)]

    def _model(self, job: Job) -> Entry | None:
        """The model of a job, if the store holds it."""
        spec = self.spec(job)
        key = content_key(spec)
        if key not in self._found and (entry := self.store.get("models", spec)) is not None:
            self._found[key] = entry
        return self._found.get(key)

    def ask(self, recipe: Recipe, views: tuple[str, ...], progress: Progress) -> Answers:
        """The answers of every model of a recipe on the records at stake, then on the test part."""
        rows = np.concatenate([self.split.records, self.dataset.parts["test"]])
        entries = self.train(recipe, progress)
        logits = [self._answer(recipe, entry, rows, views) for entry in entries]
        return Answers(np.stack(logits), entries)

    def _answer(
        self, recipe: Recipe, model: Entry, rows: Indices, views: tuple[str, ...]
    ) -> NDArray[np.float32]:
        spec = {
            "model": model.path.name,
            "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
            "views": list(views),
        }
        entry = self.store.get("signals", spec)
        if entry is None:
            answer = query(
                self.dataset.x,
                len(self.dataset.classes),
                recipe.architecture,
                model.tensors("weights.safetensors"),
                rows,
                views,
            )
            entry = self.store.put("signals", spec, {"logits.npy": answer}, {})
        return entry.array("logits.npy")
