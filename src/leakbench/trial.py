"""A defence's models: as trained, as released, and as an attacker who knows the defence reads them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data.dataset import Dataset, Indices
from .data.designs import Split
from .models import Answers
from .study import Protected
from .train.recipe import Recipe
from .types import Models, Signals


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
        return self._models(self._released)

    @cached_property
    def known(self) -> Models:
        """The released answers after an attacker who knows the defence has undone what can be undone."""
        if not self.defence.changes_output:
            return self.released
        return self._models(self.defence.inverse(self._released.astype(np.float64)))

    @property
    def test_logits(self) -> NDArray[np.floating[Any]]:
        """The released answers on the test part [M, Z, C], first view."""
        return self._released[:, 0, len(self.split.records) :]

    @cached_property
    def _released(self) -> NDArray[np.floating[Any]]:
        if not self.defence.changes_output:
            return self.answers.logits
        return self.defence.output(self.answers.logits.astype(np.float64))

    def _models(self, logits: NDArray[np.floating[Any]]) -> Models:
        y, n = self.dataset.y, len(self.split.records)
        population = None
        outside = np.isin(self.test, self.split.population(self.dataset))
        if outside.any():
            nobody = np.zeros((len(logits), int(outside.sum())), dtype=bool)
            answers = Signals(y[self.test[outside]], logits[:, :, n:][:, :, outside])
            population = Models(answers, nobody, ~nobody)
        signals = Signals(y[self.split.records], logits[:, :, :n])
        return Models(signals, self.split.members, self.split.audited, population)

    @property
    def test(self) -> Indices:
        """The rows of the test part [Z]."""
        return np.asarray(self.dataset.parts["test"])
