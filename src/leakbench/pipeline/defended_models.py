"""A defence's models: as trained, as released, and as an attacker who knows the defence reads them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.content_key import content_key
from ..data.dataset import Dataset, Indices
from ..data.designs import Split
from ..defences.chain import DefenceChain
from ..defences.defender import Defender, Map
from ..signals.axes import Numbers
from ..signals.resolution import Resolution, of_logits
from ..signals.types import Array, Bools, Models, PerModel, Signals
from ..train.recipe import Recipe
from .gradients import Gradients
from .perturbed_views import Perturbed
from .query import StoredLogits
from .release import Released
from .train import TRACES

Rows = slice | NDArray[np.intp]


def _as_it_is(answers: Numbers) -> Numbers:
    return answers


@dataclass(frozen=True, eq=False)
class DefendedModels:
    """One defence of a study with the answers of its M models.

    The answers cover the N records at stake, then the Z records of the test part, which is both the measure of
    utility and the attacker's population of records that no model trained on.
    """

    defence: DefenceChain
    recipe: Recipe
    answers: StoredLogits
    dataset: Dataset
    split: Split
    owner: Defender  # of the first model: what an answer costs is measured on it
    made: Released | None = None  # where answers are made once for each model
    perturbed: Perturbed | None = None  # what the models predict in perturbed views
    gradients: Gradients | None = None  # where white-box attacks ask for them
    features: Array | None = None  # [N + Z, D] of the records, where attacks read them

    def released(self) -> Models:
        """What the defended models release. Statistics are kept with the `Models`, and go with it."""
        return self._models("released", *self._seen)

    def known(self) -> Models:
        """The released answers after an attacker who knows the defence has undone what can be undone."""
        if not self.defence.changes_output:
            return self.released()
        if self.made:
            return self._models("known", self.made.known, _as_it_is)
        return self._models(
            "known",
            self.answers,
            lambda logits: self.defence.inverse(self._release(logits).astype(np.float64)),
        )

    @cached_property
    def canary_kinds(self) -> NDArray[np.str_] | None:
        """The kind of canary of each candidate record [N]; see `Dataset.canary_kinds`."""
        return self.dataset.canary_kinds(self.split.records)

    @property
    def average(self) -> Bools:
        """Which candidate records are no canaries [N]."""
        kinds = self.canary_kinds
        return np.ones(len(self.split.records), dtype=bool) if kinds is None else kinds == ""

    @cached_property
    def test_correct(self) -> Bools:
        """Whether each target is right about each record of the test part [T, Z], first view."""
        y = self.dataset.y[self.test]
        return np.stack([self.test_answers(m).argmax(axis=-1) == y for m in self.split.targets])

    @cached_property
    def output(self) -> Map:
        """The output map of the first model."""
        return self.defence.release(self.owner)

    def test_answers(self, m: int) -> Array:
        """What model m releases on the test part [Z, C], first view."""
        asked, release = self._seen
        released = release(asked.logits[m][:1, len(self.split.records) :])
        return np.asarray(released[0], dtype=np.float64)

    @property
    def _seen(self) -> tuple[StoredLogits, Callable[[Numbers], Numbers]]:
        """Stored answers, and what makes released ones of them."""
        return (self.made.seen, _as_it_is) if self.made else (self.answers, self._release)

    @property
    def traces(self) -> list[Array] | None:
        """The losses [epochs, n] of each target's n members while it was trained; None where they were not noted."""
        entries = [self.answers.entries[m] for m in self.split.targets]
        if not all(TRACES in entry.files for entry in entries):
            return None
        members = self.split.members[list(self.split.targets)].sum(axis=1)
        found = [
            entry.array(TRACES)[:, :n] for entry, n in zip(entries, members, strict=True)
        ]  # twins come last
        return found if min(map(len, found)) > 1 else None  # a single epoch has no spread

    def _release(self, logits: Numbers) -> Numbers:
        """Answers as they are released, of one model."""
        return self.defence.output(logits.astype(np.float64)) if self.defence.changes_output else logits

    def _models(self, name: str, answers: StoredLogits, seen: Callable[[Numbers], Numbers]) -> Models:
        resolution = of_logits(seen(answers.logits[0])) if self.defence.changes_output else Resolution()
        y, n = self.dataset.y, len(self.split.records)
        population = None
        outside = n + np.flatnonzero(np.isin(self.test, self.split.population(self.dataset)))
        if outside.size:
            nobody = np.zeros((len(self.split.members), outside.size), dtype=bool)
            population = Models(
                self._signals(answers, y[self.test[outside - n]], seen, outside, resolution), nobody, ~nobody
            )
        signals = self._signals(answers, y[self.split.records], seen, slice(0, n), resolution)
        if self.perturbed:
            views = (*answers.views, *self.perturbed.views)
            signals = replace(signals, predicted=self.perturbed.predicted, views=views)
        if self.gradients:
            signals = replace(signals, gradients=self.gradients.log_norms)
        identity = self._identity(name, outside)
        return Models(signals, self.split.members, self.split.audited, population, identity)

    def _identity(self, name: str, population: Indices) -> str:
        """The key of these answers, of who was a member, and of the population."""
        asked = (self.split.records, self.split.members, self.split.audited, population)
        mapped = {
            "defence": [part.describe() for part in self.defence.parts],
            "seen": name,
            "owner": self.owner.seed,
        }
        return content_key(
            {
                "data": self.dataset.fingerprint,
                "answers": [entry.path.name for entry in self.answers.signals],
                "map": mapped if self.defence.changes_output else None,
                **({"perturbed": [e.path.name for e in self.perturbed.entries]} if self.perturbed else {}),
                **({"gradients": [e.path.name for e in self.gradients.entries]} if self.gradients else {}),
                "asked": [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in asked],
            }
        )

    def _signals(
        self,
        answers: StoredLogits,
        labels: NDArray[np.int64],
        seen: Callable[[Numbers], Numbers],
        rows: Rows,
        resolution: Resolution,
    ) -> Signals:
        """The signals on some of the rows asked about, read from the store a model at a time."""

        def on_rows(array: PerModel) -> PerModel:
            shape = (*array.shape[:2], len(labels), array.shape[3])
            return PerModel(shape, lambda m: seen(array[m][:, rows]))

        noisy = None if answers.noisy is None else on_rows(answers.noisy)
        return Signals(
            labels,
            on_rows(answers.logits),
            noisy=noisy,
            noise_scale=answers.noise_scale,
            resolutions={"logits": resolution},
            features=None if self.features is None else self.features[rows],
            views=answers.views,
        )

    @property
    def test(self) -> Indices:
        """The rows of the test part [Z]."""
        return np.asarray(self.dataset.parts["test"])
