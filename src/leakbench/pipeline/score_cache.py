"""Stored scores of trained attacks: a study that runs again trains none of them again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..attacks.base import Attack
from ..core.store import Entry, Made, Payload, Store, expected
from ..evaluation.scoring import SCORING_VERSION, Scores, score_targets
from ..signals.models import Models


@dataclass(frozen=True, eq=False)
class CachedScorer:
    """`score_targets` with a cache for trained attacks. Other attacks are fast, and are computed again."""

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
        identities = models.identity, models.identity if reference is None else reference.identity
        if not attack.trained or None in identities:
            return score_targets(attack, models, targets, seed, reference)
        spec = {
            "scoring": SCORING_VERSION,
            "attack": attack.describe(),
            "models": identities[0],
            "shadows": identities[1],
            "targets": list(map(int, targets)),
            "seed": seed,
        }

        def make() -> Made:
            scores = score_targets(attack, models, targets, seed, reference)
            files: dict[str, Payload] = {"scores.npy": scores.scores}
            if scores.decided is not None:
                files["decided.npy"] = scores.decided
            return files, {"decides": scores.decided is not None}

        def read(entry: Entry) -> Scores:
            scores = expected(entry.array("scores.npy"), shape, "f")
            decided = expected(entry.array("decided.npy"), shape, "b") if entry.meta["decides"] else None
            return Scores(np.array(scores), None if decided is None else np.array(decided), attack.describe())

        shape = (len(targets), models.members.shape[1])
        return read(self.store.once("scores", spec, make, read))
