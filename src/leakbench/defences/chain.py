"""Defences composed: each edits the recipe, and each transforms the output of those before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError, unknown
from ..signals.statistics import log_softmax
from ..signals.types import Array
from ..train.recipe import CodeRecipe, Recipe
from . import DEFENCES
from .base import Defence
from .defender import Defender, Transform


@dataclass(frozen=True)
class DefenceChain:
    """A defence under the study's label, or several composed in the order given."""

    label: str
    parts: tuple[Defence, ...]

    def recipe(self, base: Recipe) -> Recipe:
        """The recipe after every part has edited it."""
        for part in self.parts:
            base = part.code_recipe(base) if isinstance(base, CodeRecipe) else part.recipe(base)
        return base

    def output(self, logits: Array) -> Array:
        """The released outputs: the output transforms of the parts, first to last."""
        for part in self.parts:
            logits = part.output(logits)
        return logits

    def release(self, defender: Defender) -> Transform:
        """The output transform of one model: those of the parts, first to last, each behind the earlier ones."""
        released: Transform = lambda logits: logits  # noqa: E731
        for number, part in enumerate(self.parts):
            released = _then(released, part.release(defender.behind(released, number, part.name)))
        return released

    def inverse(self, released: Array) -> Array:
        """The logits that an adaptive attacker recovers: transforms are undone last to first."""
        return _undone(self.parts, released)

    def observed(self, defender: Defender) -> Transform:
        """From the logits of one model to those that an adaptive attacker recovers from its released outputs.

        Where the output of a part is random, each record is queried `queries_per_record` times. The probabilities that
        this part releases are averaged.
        """
        if self.queries_per_record == 1:
            return _then(self.release(defender), self.inverse)
        random = max(number for number, part in enumerate(self.parts) if part.queries_per_record > 1)
        before, after = self.parts[: random + 1], self.parts[random + 1 :]
        maps = [self.release(defender.again(repeat)) for repeat in range(self.queries_per_record)]

        def recovered(logits: Array) -> Array:
            total = np.zeros(logits.shape)
            for released in maps:
                total += np.exp(log_softmax(_undone(after, released(logits))))
            return _undone(before, np.log(total / self.queries_per_record))

        return recovered

    @property
    def queries_per_record(self) -> int:
        """How often an adaptive attacker queries each record."""
        return max(part.queries_per_record for part in self.parts)

    @property
    def cached_per_model(self) -> bool:
        """Whether released outputs are computed once per model and stored."""
        return any(part.cached_per_model for part in self.parts)

    @property
    def needs_public(self) -> bool:
        """Whether the output transform needs public records."""
        return any(part.needs_public for part in self.parts)

    @property
    def changes_output(self) -> bool:
        """Whether any part transforms the output."""
        return any(part.changes_output for part in self.parts)

    @property
    def canary(self) -> str:
        """The kind of canary that shows the worst case: of the first part that names another than the default."""
        kinds = [part.canary for part in self.parts]
        return next((kind for kind in kinds if kind != Defence.canary), Defence.canary)

    @property
    def may_mask(self) -> bool:
        """Whether an output transform that an attacker cannot undo may hide leakage that the predicted classes show."""
        return any(part.changes_output and not part.monotone for part in self.parts)

    @property
    def changes_labels(self) -> bool:
        """Whether any part's output transform may change the predicted class."""
        return any(part.changes_output and not part.keeps_argmax for part in self.parts)

    def describe(self) -> dict[str, Any]:
        """Label and parts as plain data."""
        return {"label": self.label, "parts": [part.describe() for part in self.parts]}


def _then(first: Transform, second: Transform) -> Transform:
    return lambda logits: second(first(logits))


def _undone(parts: Sequence[Defence], released: Array) -> Array:
    for part in reversed(parts):
        released = part.inverse(released)
    return released


def parse_chain(spec: str | Mapping[str, Any]) -> DefenceChain:
    """A defence of a study: its name, a table, or a table with a `chain` of them and perhaps a `label`."""
    table = {"name": spec} if isinstance(spec, str) else dict(spec)
    chain, label = table.pop("chain", None), table.pop("label", None)
    if chain is None:
        return DefenceChain(str(label or table.get("name")), (DEFENCES.make(table),))
    if not isinstance(chain, list | tuple) or not chain:
        raise InputError(f"chain must be a list of defences, got {chain!r}")
    if table:
        raise unknown("key of a chain of defences:", str(min(table)), ["chain", "label"])
    parts = tuple(DEFENCES.make(part) for part in chain)
    return DefenceChain(str(label or "+".join(part.name for part in parts)), parts)
