"""Answers as they are released where that needs the model's owner, or long: made once, and kept in the store."""

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

SEEN, KNOWN = "released.npy", "known.npy"


@dataclass(frozen=True, eq=False)
class Released:
    """What M models release, and what an attacker who knows the defence makes of it."""

    seen: StoredLogits
    known: StoredLogits


def release(
    querier: Querier, defence: DefenceChain, recipe: Recipe, answers: StoredLogits, progress: Progress
) -> Released:
    """The released answers of every model of a recipe, each with its own owner."""
    owners = _owners(querier, recipe, answers)
    specs = _specs(defence, owners, answers)

    def make(m: int) -> Made:
        return _released(defence, owners[m], answers, m), {}

    views, copies = answers.logits.shape[1], answers.noisy.shape[1] if answers.noisy is not None else 0
    shape = (views + copies, *answers.logits.shape[2:])

    def check(entry: Entry) -> None:
        for name in (SEEN, KNOWN)[: 1 + (defence.asked > 1)]:
            expected(entry.array(name), shape, "f")

    entries = querier.trainer.store.shared(
        "released", specs, make, lambda m, entry: progress.advance(), check=check
    )

    def seen(m: int) -> Numbers:
        return entries[m].array(SEEN)

    def known(m: int) -> Numbers:
        return entries[m].array(KNOWN) if defence.asked > 1 else defence.inverse(entries[m].array(SEEN))

    return Released(_answers(answers, seen), _answers(answers, known))


def unreleased(querier: Querier, defence: DefenceChain, recipe: Recipe, answers: StoredLogits) -> int:
    """How many models' released answers the store lacks."""
    specs = _specs(defence, _owners(querier, recipe, answers), answers)
    return sum(not querier.trainer.store.has("released", spec) for spec in specs)


def _owners(querier: Querier, recipe: Recipe, answers: StoredLogits) -> list[Defender]:
    return [querier.defender(recipe, m, entry) for m, entry in enumerate(answers.entries)]


def _specs(defence: DefenceChain, owners: Sequence[Defender], answers: StoredLogits) -> list[dict[str, Any]]:
    """What determines each model's released answers."""
    parts = [part.describe() for part in defence.parts]
    return [
        {"signals": signals.path.name, "defence": parts, "seed": owner.seed}
        for signals, owner in zip(answers.signals, owners, strict=True)
    ]


def _answers(asked: StoredLogits, load: Callable[[int], Numbers]) -> StoredLogits:
    """Answers whose model m gives `load(m)` [V + K, N, C]: to the views, then to the noisy copies."""
    views, kind = asked.logits.shape[1], np.dtype(np.float64)
    logits = PerModel(asked.logits.shape, lambda m: load(m)[:views], kind)
    noisy = None if asked.noisy is None else PerModel(asked.noisy.shape, lambda m: load(m)[views:], kind)
    return replace(asked, logits=logits, noisy=noisy)


def _released(defence: DefenceChain, owner: Defender, answers: StoredLogits, m: int) -> dict[str, Payload]:
    """The answers of model m to all views and noisy copies at once, in float64: not a tie is added."""
    logits = answers.logits[m].astype(np.float64)
    if answers.noisy is not None:
        logits = np.concatenate([logits, answers.noisy[m].astype(np.float64)])
    files: dict[str, Payload] = {SEEN: defence.release(owner)(logits)}
    if defence.asked > 1:
        files[KNOWN] = defence.observed(owner)(logits)
    return files
