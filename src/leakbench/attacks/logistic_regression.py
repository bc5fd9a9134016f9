from dataclasses import dataclass
from typing import Any, ClassVar

from ._learned import LearnedAttack


@dataclass(frozen=True)
class LogisticRegression(LearnedAttack):
    r"""Does a linear boundary in the outputs separate members from others?

    Formula: s(x) = 1 / (1 + exp(-w.h - b));  member where s >= 1/2
             h = [l, margin, rank of y, log f_(1) .. log f_(C)] on a robust scale, l and margin also relative to their
             class;  log f_(1) >= log f_(2) >= ..; with more than 32 classes the last are means over blocks
    Shapes:  logits [V, N, C] or loss [V, N] -> [N]
    Source:  TF Privacy, `membership_inference_attack/models.py`: LOGISTIC_REGRESSION
    Differs: one attacker, fitted on shadow models or on a held-out half, in place of pooled folds; sorted
             log f in place of raw logits; a fixed penalty in place of a grid search.
    """

    name: ClassVar[str] = "logistic_regression"
    source: ClassVar[str] = "TF Privacy, membership_inference_attack/models.py"
    version: ClassVar[int] = 3
    imports: ClassVar[str | None] = "sklearn.linear_model"
    max_examples: int = 2000
    penalty: float = 1.0  # C of scikit-learn: the inverse strength of the squared penalty

    def classifier(self, seed: int) -> Any:
        """L-BFGS to convergence."""
        from sklearn.linear_model import LogisticRegression as Model

        return Model(C=self.penalty, max_iter=1000)
