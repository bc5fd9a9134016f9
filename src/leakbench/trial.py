"""A defence's models: as trained, as released, and as an attacker who knows the defence reads them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .data.dataset import Dataset, Indices
from .data.designs import Split
from .key import content_key
from .models import Answers
from .signals.axes import Numbers
from .study import Protected
from .train.recipe import Recipe
from .types import Bools, Models, PerModel, Signals

Rows = slice | NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Trial:
    """One defence of a study with the answers of its M models.

    The answers cover the N records at stake, then the Z records of the test part, which is both the measure of
    utility and the attacker's population of records that no model trained on.
    """

    defence: Protected
    recipe: Recipe
    answers: Answers
    dataset: Dataset
    split: Split

    @cached_property
    def released(self) -> Models:
        """What the defended models release."""
        return self._models("released", self._release)

    @cached_property
    def known(self) -> Models:
        """The released answers after an attacker who knows the defence has undone what can be undone."""
        if not self.defence.changes_output:
            return self.released
        return self._models(
            "known", lambda logits: self.defence.inverse(self._release(logits).astype(np.float64))
        )

    @cached_property
    def test_correct(self) -> Bools:
        """Whether each target is right about each record of the test part [T, Z], first view."""
        n, y = len(self.split.records), self.dataset.y[self.test]
        answers = (self._release(self.answers.logits[m][:1, n:])[0] for m in self.split.targets)
        return np.stack([answer.argmax(axis=-1) == y for answer in answers])

    def _release(self, logits: Numbers) -> Numbers:
        """Answers as they are released, of one model."""
        return self.defence.output(logits.astype(np.float64)) if self.defence.changes_output else logits

    def _models(self, name: str, seen: Callable[[Numbers], Numbers]) -> Models:
        y, n = self.dataset.y, len(self.split.records)
        population = None
        outside = n + np.flatnonzero(np.isin(self.test, self.split.population(self.dataset)))
        if outside.size:
            nobody = np.zeros((len(self.split.members), outside.size), dtype=bool)
            population = Models(self._signals(y[self.test[outside - n]], seen, outside), nobody, ~nobody)
        signals = self._signals(y[self.split.records], seen, slice(0, n))
        return Models(
            signals, self.split.members, self.split.audited, population, self._identity(name, outside)
        )

    def _identity(self, name: str, population: Indices) -> str:
        """The key of these answers, of who was a member, and of the population."""
        asked = (self.split.records, self.split.members, self.split.audited, population)
        return content_key(
            {
                "data": self.dataset.fingerprint,
                "answers": list(self.answers.keys),
                "defence": [part.describe() for part in self.defence.parts]
                if self.defence.changes_output
                else [],
                "seen": name if self.defence.changes_output else "released",
                "asked": [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in asked],
            }
        )

    def _signals(self, labels: NDArray[np.int64], seen: Callable[[Numbers], Numbers], rows: Rows) -> Signals:
        """The signals on some of the rows asked about, read from the store a model at a time."""

        def on_rows(answers: PerModel) -> PerModel:
            shape = (*answers.shape[:2], len(labels), answers.shape[3])
            return PerModel(shape, lambda m: seen(answers[m][:, rows]))

        noisy = None if self.answers.noisy is None else on_rows(self.answers.noisy)
        return Signals(
            labels, on_rows(self.answers.logits), noisy=noisy, noise_scale=self.answers.noise_scale
        )

    @property
    def test(self) -> Indices:
        """The rows of the test part [Z]."""
        return np.asarray(self.dataset.parts["test"])
