"""Scores of attackers that have to be trained, kept in the store: a study that runs again pays for them once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .attacks.base import Attack, TrainedAttack
from .scoring import SCORING_VERSION, Scores, score_targets
from .store import Entry, Store
from .types import Models


@dataclass(frozen=True, eq=False)
class Remembered:
    """`score_targets` with a memory. Attacks that are computed in moments are computed again."""

    store: Store

    def __call__(
        self,
        attack: Attack,
        models: Models,
        targets: Sequence[int],
        seed: int,
        reference: Models | None = None,
    ) -> Scores:
        """As `score_targets`."""
        known = models.identity, models.identity if reference is None else reference.identity
        if not isinstance(attack, TrainedAttack) or None in known:
            return score_targets(attack, models, targets, seed, reference)
        spec = {
            "scoring": SCORING_VERSION,
            "attack": attack.describe(),
            "models": known[0],
            "shadows": known[1],
            "targets": list(map(int, targets)),
            "seed": seed,
        }
        entry = self.store.get("scores", spec)
        if entry is None:
            entry = self._keep(spec, score_targets(attack, models, targets, seed, reference))
        decided = np.array(entry.array("decided.npy")) if entry.meta["decides"] else None
        return Scores(np.array(entry.array("scores.npy")), decided, attack.describe())

    def _keep(self, spec: dict[str, object], scores: Scores) -> Entry:
        files: dict[str, np.ndarray] = {"scores.npy": scores.scores}
        if scores.decided is not None:
            files["decided.npy"] = scores.decided
        return self.store.put("scores", spec, files, {"decides": scores.decided is not None})
