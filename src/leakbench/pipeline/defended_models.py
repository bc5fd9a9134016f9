"""The models of a defence: as trained, as released, and as an adaptive attacker reads them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.content_key import content_key
from ..data.dataset import Dataset, Indices
from ..data.designs import Split
from ..defences.chain import DefenceChain
from ..defences.defender import Defender, Transform
from ..signals.axes import Numbers
from ..signals.models import Models
from ..signals.resolution import Resolution, of_logits, typical
from ..signals.types import Array, Bools, PerModel, Signals
from ..train.recipe import CodeRecipe, Recipe
from .distillation import ADVERSARY_VIEW, RELEASED, Students
from .gradients import Gradients
from .perturbed_views import Perturbed
from .query import StoredLogits
from .release import Released
from .train import TRACES

Rows = slice | NDArray[np.intp]


def _unchanged(logits: Numbers) -> Numbers:
    return logits


@dataclass(frozen=True, eq=False)
class DefendedModels:
    """One defence of a study with the logits of its M models.

    The logits cover the N candidate records, then the Z records of the test part. The test part measures utility. It
    is also the attacker's population: no model trained on it.
    """

    defence: DefenceChain
    recipe: Recipe
    stored: StoredLogits
    dataset: Dataset
    split: Split
    defender: Defender  # of the first model, on which latency is measured
    cached: Released | None = None  # where released outputs are computed once per model
    perturbed: Perturbed | None = None  # predicted classes in perturbed views
    gradients: Gradients | None = None  # where white-box attacks need them
    features: Array | None = None  # [N + Z, D] of the records, where attacks read them
    students: Mapping[str, Students] = field(default_factory=dict)  # by view, where attacks read them
    copies: NDArray[np.intp] | None = None  # of each candidate record the first that equals it [N]

    def released(self) -> Models:
        """The released outputs. Statistics are cached in the `Models` and freed with it."""
        return self._models(RELEASED, *self._released)

    def adversary_view(self) -> Models:
        """The released outputs after an adaptive attacker has undone what can be undone."""
        if not self.defence.changes_output:
            return self.released()
        if self.cached:
            return self._models(ADVERSARY_VIEW, self.cached.adversary_view, _unchanged)
        return self._models(
            ADVERSARY_VIEW,
            self.stored,
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
        return np.stack([self.test_logits(m).argmax(axis=-1) == y for m in self.split.targets])

    @cached_property
    def output(self) -> Transform:
        """The output transform of the first model."""
        return self.defence.release(self.defender)

    def test_logits(self, m: int) -> Array:
        """The released logits of model m on the test part [Z, C], first view."""
        stored, release = self._released
        released = release(stored.logits[m][:1, len(self.split.records) :])
        return np.asarray(released[0], dtype=np.float64)

    @property
    def _released(self) -> tuple[StoredLogits, Callable[[Numbers], Numbers]]:
        """Stored logits, and the transform that makes released ones of them."""
        return (self.cached.released, _unchanged) if self.cached else (self.stored, self._release)

    @property
    def traces(self) -> list[Array] | None:
        """The losses [epochs, n] of each target's n members while it was trained; None where they were not noted."""
        entries = [self.stored.entries[m] for m in self.split.targets]
        if not all(TRACES in entry.files for entry in entries):
            return None
        members = self.split.members[list(self.split.targets)].sum(axis=1)
        found = [
            entry.array(TRACES)[:, :n] for entry, n in zip(entries, members, strict=True)
        ]  # twins come last
        return found if min(map(len, found)) > 1 else None  # a single epoch has no spread

    def _release(self, logits: Numbers) -> Numbers:
        """The released logits of one model, from its stored ones."""
        return self.defence.output(logits.astype(np.float64)) if self.defence.changes_output else logits

    def _models(self, name: str, stored: StoredLogits, transform: Callable[[Numbers], Numbers]) -> Models:
        resolution = self._resolution(stored, transform)
        y, n = self.dataset.y, len(self.split.records)
        population = None
        outside = n + np.flatnonzero(np.isin(self.test, self.split.population(self.dataset)))
        if outside.size:
            nobody = np.zeros((len(self.split.members), outside.size), dtype=bool)
            population = Models(
                self._signals(stored, y[self.test[outside - n]], transform, outside, resolution),
                nobody,
                ~nobody,
            )
        signals = self._signals(stored, y[self.split.records], transform, slice(0, n), resolution)
        if self.perturbed:
            views = (*stored.views, *self.perturbed.views)
            signals = replace(signals, predicted=self.perturbed.predicted, views=views)
        if self.gradients:
            signals = replace(signals, gradients=self.gradients.log_norms)
        if self.students:
            signals = replace(signals, trajectories=self.students[name].trajectories)
        identity = self._identity(name, outside)
        audited, copies = self.split.audited, self.copies
        return Models(signals, self.split.members, audited, population, identity, known_copies=copies)

    def _resolution(self, stored: StoredLogits, transform: Callable[[Numbers], Numbers]) -> Resolution:
        """The step of outputs that a defence, or the user's code, may have rounded."""
        if isinstance(self.recipe, CodeRecipe):
            return typical([of_logits(transform(stored.logits[m])) for m in range(len(stored.signals))])
        return of_logits(transform(stored.logits[0])) if self.defence.changes_output else Resolution()

    def _identity(self, name: str, population: Indices) -> str:
        """The key of these outputs, of the membership, and of the population."""
        arrays = (self.split.records, self.split.members, self.split.audited, population)
        transform = {
            "defence": [part.describe() for part in self.defence.parts],
            "view": name,
            "defender": self.defender.seed,
        }
        return content_key(
            {
                "data": self.dataset.fingerprint,
                "logits": [entry.path.name for entry in self.stored.signals],
                "transform": transform if self.defence.changes_output else None,
                **({"perturbed": [e.path.name for e in self.perturbed.entries]} if self.perturbed else {}),
                **({"gradients": [e.path.name for e in self.gradients.entries]} if self.gradients else {}),
                **({"students": self.students[name].entry.path.name} if self.students else {}),
                "arrays": [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in arrays],
            }
        )

    def _signals(
        self,
        stored: StoredLogits,
        labels: NDArray[np.int64],
        transform: Callable[[Numbers], Numbers],
        rows: Rows,
        resolution: Resolution,
    ) -> Signals:
        """The signals on some of the queried rows, read from the store one model at a time."""

        def on_rows(array: PerModel) -> PerModel:
            shape = (*array.shape[:2], len(labels), array.shape[3])
            return PerModel(shape, lambda m: transform(array[m][:, rows]))

        noisy = None if stored.noisy is None else on_rows(stored.noisy)
        return Signals(
            labels,
            on_rows(stored.logits),
            noisy=noisy,
            noise_scale=stored.noise_scale,
            resolutions={"logits": resolution},
            features=None if self.features is None else self.features[rows],
            views=stored.views,
        )

    @property
    def test(self) -> Indices:
        """The rows of the test part [Z]."""
        return np.asarray(self.dataset.parts["test"])
