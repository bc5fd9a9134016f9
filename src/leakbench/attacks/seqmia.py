from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.models import Target
from ..signals.statistics import TRAJECTORY
from ..signals.trajectories import METRICS
from ..signals.types import Array, Bools
from ._network import NetworkAttack
from ._trajectory import standardised, trajectory
from .base import Scorer

if TYPE_CHECKING:
    from torch import Generator, nn
    from torch.optim import Optimizer


@dataclass(frozen=True)
class SeqMia(NetworkAttack):
    r"""Do several metrics of x change as those of members do, while a student learns to imitate the model?

    Formula: h_e = (loss, max f, sd f, entropy, modified entropy) on x, after epoch e, of a student as in
             `loss_trajectory`, and h of the model;  an LSTM reads h_1, .., h_E, h and gives o_1, .., o_{E + 1};
             s(x) = the log-odds W sum_e a_e o_e + b,  a = softmax over e of v . o_e;  member where s >= 0
    Shapes:  trajectory [5 E, N], logits [V, N, C] -> [N]
    Source:  Li et al. 2024, CCS, arXiv 2407.15098
    Differs: as `loss_trajectory`. The attention is additive over the outputs.
    """

    name: ClassVar[str] = "seqmia"
    source: ClassVar[str] = "Li et al. 2024, arXiv 2407.15098"
    epochs: int = 30  # passes over the examples
    lr: float = 0.01  # learning rate
    units: int = 8  # of the LSTM
    max_examples: int | None = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise InputError(f"units must be at least 1, got {self.units}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The students' metrics, and the model's logits."""
        return (TRAJECTORY, "logits", "labels")

    def features(self, target: Target) -> Array:
        """The metrics of each epoch, behind each other [N, 5 (E + 1)]."""
        return trajectory(target).reshape(-1, target.n_records).T

    def optimiser(self, network: "nn.Module") -> "Optimizer":
        """Adam, which a recurrent network needs to learn from few examples."""
        from torch.optim import Adam

        return Adam(network.parameters(), self.lr, (self.momentum, 0.999), weight_decay=self.weight_decay)

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """The log-odds by the network on standardised features."""
        standard = standardised(features)
        scorer = super().fit(standard(features), members, rng)
        return lambda features: scorer(standard(features))

    def network(self, inputs: int, generator: "Generator") -> "nn.Module":
        """The recurrent network with attention."""
        from ._layers import Recurrent

        return Recurrent(len(METRICS), self.units)
