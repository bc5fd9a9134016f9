from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.checks import positive
from ..signals.models import Target
from ..signals.statistics import TRAJECTORY
from ..signals.types import Array, Bools
from ._trajectory import standardised, trajectory
from .base import Scorer, TrainedAttack


@dataclass(frozen=True)
class LossTrajectory(TrainedAttack):
    r"""Does a student that imitates the model come to the loss on x as it does on members?

    Formula: s(x) = the probability of "member" by a small network on h = (l_1, .., l_E, l);  member where s >= 1/2
             l_e = the loss on x, after epoch e, of a student that learns the released probabilities of the model on
             public records;  l = the loss of the model
    Shapes:  trajectory [5 E, N], logits [V, N, C] -> [N]
    Source:  Liu et al. 2022, CCS, arXiv 2208.14933
    Differs: log l in place of l, on one scale. All students begin alike. The network is fitted on every shadow model
             but the target's partner; the authors have a single one. 20 epochs of distillation in place of 100.
    """

    name: ClassVar[str] = "loss_trajectory"
    source: ClassVar[str] = "Liu et al. 2022, arXiv 2208.14933"
    imports: ClassVar[str | None] = "sklearn.neural_network"
    passes: ClassVar[str | None] = "epochs"
    max_examples: int = 10_000
    hidden: tuple[int, ...] = (64, 32)  # units of each hidden layer
    alpha: float = 1e-3  # strength of the squared penalty
    epochs: int = 20  # passes over the examples

    def __post_init__(self) -> None:
        positive(self.parameters())

    @property
    def needs(self) -> tuple[str, ...]:
        """The students' metrics, and the model's logits."""
        return (TRAJECTORY, "logits", "labels")

    @property
    def decision(self) -> float | None:
        """The examples are balanced."""
        return 0.5

    def features(self, target: Target) -> Array:
        """log h [N, E + 1]."""
        return trajectory(target)[:, 0].T

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """The network's probability of membership, after a fixed number of epochs of Adam."""
        from sklearn.neural_network import MLPClassifier

        standard = standardised(features)
        network = MLPClassifier(self.hidden, alpha=self.alpha, random_state=int(rng.integers(2**31)))
        for _ in range(self.epochs):
            network.partial_fit(standard(features), members, classes=[False, True])
        return lambda features: np.asarray(network.predict_proba(standard(features))[:, 1])
