from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..signals.types import Array, Bools
from ._learned import LearnedAttack
from .base import Scorer


@dataclass(frozen=True)
class Knn(LearnedAttack):
    r"""Are the nearest outputs of known membership those of members?

    Formula: s(x) = the share of members among the k nearest examples, Euclidean in h;  member where s >= 1/2
             h = [l, margin, rank of y, log f_(1) .. log f_(C)] on a robust scale, l and margin also relative to their
             class;  log f_(1) >= log f_(2) >= ..; with more than 32 classes the last are means over blocks
    Shapes:  logits [V, N, C] or loss [V, N] -> [N]
    Source:  TF Privacy, `membership_inference_attack/models.py`: K_NEAREST_NEIGHBORS
    Differs: one attacker, fitted on shadow models or on a held-out half, in place of pooled folds; sorted
             log f in place of raw logits; k = 25, since 3, 5 and 7 give 4, 6 and 8 levels of score. There are k + 1
             levels.
    """

    name: ClassVar[str] = "knn"
    source: ClassVar[str] = "TF Privacy, membership_inference_attack/models.py"
    version: ClassVar[int] = 4
    imports: ClassVar[str | None] = "sklearn.neighbors"
    max_examples: int = 2000
    neighbours: int = 25  # k, examples that vote

    def classifier(self, seed: int) -> Any:
        """All neighbours weigh the same. Among 2,000 examples every distance is sooner computed than searched."""
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(self.neighbours, algorithm="brute")

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """With fewer examples than neighbours, all of them are neighbours."""
        return super(Knn, replace(self, neighbours=min(self.neighbours, members.size))).fit(
            features, members, rng
        )
