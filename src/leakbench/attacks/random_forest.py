from dataclasses import dataclass
from typing import Any, ClassVar

from ._learned import LearnedAttack


@dataclass(frozen=True)
class RandomForest(LearnedAttack):
    r"""Do splits on the outputs separate members from others?

    Formula: s(x) = mean over trees of the share of members in h's leaf;  member where s >= 1/2
             h = [l, margin, rank of y, log f_(1) .. log f_(C)] on a robust scale, l and margin also relative to their
             class;  log f_(1) >= log f_(2) >= ..; with more than 32 classes the last are means over blocks
    Shapes:  logits [V, N, C] or loss [V, N] -> [N]
    Source:  TF Privacy, `membership_inference_attack/models.py`: RANDOM_FOREST
    Differs: one attacker, fitted on shadow models or on a held-out half, in place of pooled folds; sorted
             log f in place of raw logits; one configuration in place of a grid search, with leaves large enough not to
             memorise.
    """

    name: ClassVar[str] = "random_forest"
    source: ClassVar[str] = "TF Privacy, membership_inference_attack/models.py"
    version: ClassVar[int] = 3
    imports: ClassVar[str | None] = "sklearn.ensemble"
    passes: ClassVar[str | None] = "trees"
    max_examples: int = 2000
    trees: int = 50  # trees of the forest
    leaf: int = 20  # examples that a leaf must hold

    def classifier(self, seed: int) -> Any:
        """Bootstrapped trees on a random root-of-D features a split."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(self.trees, min_samples_leaf=self.leaf, random_state=seed, n_jobs=1)
