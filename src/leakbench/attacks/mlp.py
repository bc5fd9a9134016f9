from dataclasses import dataclass
from typing import Any, ClassVar

from ..signals.types import Array, Bools
from ._learned import LearnedAttack


@dataclass(frozen=True)
class Mlp(LearnedAttack):
    r"""Does a small network separate members from others by the outputs?

    Formula: s(x) = sigmoid(W_2 relu(W_1 h + b_1) + b_2);  member where s >= 1/2
             h = [l, margin, rank of y, log f_(1) .. log f_(C)] on a robust scale, l and margin also relative to their
             class;  log f_(1) >= log f_(2) >= ..; with more than 32 classes the last are means over blocks
    Shapes:  logits [V, N, C] or loss [V, N] -> [N]
    Source:  TF Privacy, `membership_inference_attack/models.py`: MULTI_LAYERED_PERCEPTRON
    Differs: one attacker, fitted on shadow models or on a held-out half, in place of pooled folds; sorted
             log f in place of raw logits; one configuration of its grid (64 units, alpha 1e-3), 40 epochs of Adam.
    """

    name: ClassVar[str] = "mlp"
    source: ClassVar[str] = "TF Privacy, membership_inference_attack/models.py"
    version: ClassVar[int] = 3
    imports: ClassVar[str | None] = "sklearn.neural_network"
    passes: ClassVar[str | None] = "epochs"
    max_examples: int = 2000
    hidden: tuple[int, ...] = (64,)  # units of each hidden layer
    alpha: float = 1e-3  # strength of the squared penalty
    epochs: int = 40  # passes over the data

    def classifier(self, seed: int) -> Any:
        """Adam, an epoch at a time."""
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(self.hidden, alpha=self.alpha, random_state=seed)

    def fitted(self, features: Array, members: Bools, seed: int) -> Any:
        """A fixed number of epochs, which regularises and bounds the time of a fit.

        `fit` would warn that it has not converged, and to silence it would touch other threads' filters.
        """
        network = self.classifier(seed)
        for _ in range(self.epochs):
            network.partial_fit(features, members, classes=[False, True])
        return network
