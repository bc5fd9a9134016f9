"""Released outputs of defences whose transform needs the defender or is slow: computed once, and stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.progress import Progress
from ..core.store import Entry, Made, Payload, expected
from ..defences.chain import DefenceChain
from ..defences.defender import Defender
from ..signals.axes import Numbers
from ..signals.types import PerModel
from ..train.recipe import Recipe
from .query import Querier, StoredLogits

RELEASED, ADVERSARY_VIEW = "released.npy", "adversary_view.npy"


@dataclass(frozen=True, eq=False)
class Released:
    """The outputs that M models release, and those that an adaptive attacker recovers from them."""

    released: StoredLogits
    adversary_view: StoredLogits


def release(
    querier: Querier, defence: DefenceChain, recipe: Recipe, stored: StoredLogits, progress: Progress
) -> Released:
    """The released outputs of every model of a recipe, each with its own defender."""
    defenders = _defenders(querier, recipe, stored)
    specs = _specs(defence, defenders, stored)

    def make(m: int) -> Made:
        return _released(defence, defenders[m], stored, m), {}

    views, copies = stored.logits.shape[1], stored.noisy.shape[1] if stored.noisy is not None else 0
    shape = (views + copies, *stored.logits.shape[2:])

    def check(entry: Entry) -> None:
        for name in (RELEASED, ADVERSARY_VIEW)[: 1 + (defence.queries_per_record > 1)]:
            expected(entry.array(name), shape, "f")

    entries = querier.trainer.store.shared(
        "released", specs, make, lambda m, entry: progress.advance(), check=check
    )

    def released(m: int) -> Numbers:
        return entries[m].array(RELEASED)

    def adversary_view(m: int) -> Numbers:
        if defence.queries_per_record > 1:
            return entries[m].array(ADVERSARY_VIEW)
        return defence.inverse(entries[m].array(RELEASED))

    return Released(_replaced(stored, released), _replaced(stored, adversary_view))


def unreleased(querier: Querier, defence: DefenceChain, recipe: Recipe, stored: StoredLogits) -> int:
    """The number of models without released outputs in the store."""
    specs = _specs(defence, _defenders(querier, recipe, stored), stored)
    return sum(not querier.trainer.store.has("released", spec) for spec in specs)


def _defenders(querier: Querier, recipe: Recipe, stored: StoredLogits) -> list[Defender]:
    return [querier.defender(recipe, m, entry) for m, entry in enumerate(stored.entries)]


def _specs(
    defence: DefenceChain, defenders: Sequence[Defender], stored: StoredLogits
) -> list[dict[str, Any]]:
    """The spec of the released outputs of each model."""
    parts = [part.describe() for part in defence.parts]
    return [
        {"signals": signals.path.name, "defence": parts, "seed": defender.seed}
        for signals, defender in zip(stored.signals, defenders, strict=True)
    ]


def _replaced(stored: StoredLogits, load: Callable[[int], Numbers]) -> StoredLogits:
    """The stored logits with those of model m replaced by `load(m)` [V + K, N, C]: views, then noisy copies."""
    views, kind = stored.logits.shape[1], np.dtype(np.float64)
    logits = PerModel(stored.logits.shape, lambda m: load(m)[:views], kind)
    noisy = None if stored.noisy is None else PerModel(stored.noisy.shape, lambda m: load(m)[views:], kind)
    return replace(stored, logits=logits, noisy=noisy)


def _released(defence: DefenceChain, defender: Defender, stored: StoredLogits, m: int) -> dict[str, Payload]:
    """The released outputs of model m on all views and noisy copies at once, in float64, which adds no ties."""
    logits = stored.logits[m].astype(np.float64)
    if stored.noisy is not None:
        logits = np.concatenate([logits, stored.noisy[m].astype(np.float64)])
    files: dict[str, Payload] = {RELEASED: defence.release(defender)(logits)}
    if defence.queries_per_record > 1:
        files[ADVERSARY_VIEW] = defence.observed(defender)(logits)
    return files
