from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..signals.models import Target
from ..signals.types import Array
from ._network import NetworkAttack, one_hot, posteriors

if TYPE_CHECKING:
    from torch import Generator, nn


@dataclass(frozen=True)
class Nn(NetworkAttack):
    r"""Does a network with three hidden layers tell members by their probabilities?

    Formula: s(x) = o_1 - o_0,  o = W_4 relu(W_3 d(relu(W_2 d(relu(W_1 h))))),  d = dropout; member: s >= 0
             nn       h = [f_(1) .. f_(C)], the largest first
             nn_top3  h = the three largest f_c, the largest first (with two classes: both)
             nn_cls   h = [f_1 .. f_C, 1[y = 1] .. 1[y = C]]
    Shapes:  logits [V, N, C], labels [N] -> [N];  hidden layers of 512, 256 and 128;  f is averaged over views
    Source:  Yuan & Zhang 2022, arXiv 2202.03335, code mia_prune: `attackers.py`, `models.py` (MIAFC)
    Differs: one attacker for each half of the target models, fitted on the other half; the score is the
             log-odds, not the decision alone. A last batch of one record is left out. The authors' `nn` reads the
             probabilities in the order of the classes, from which so small a sample teaches little.
    """

    name: ClassVar[str] = "nn"
    source: ClassVar[str] = "Yuan & Zhang 2022, arXiv 2202.03335"
    version: ClassVar[int] = 3
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "nn_top3": {"inputs": "top3"},
        "nn_cls": {"inputs": "posteriors+class"},
    }
    inputs: Literal["posteriors", "top3", "posteriors+class"] = "posteriors"  # the features h of the network

    @property
    def needs(self) -> tuple[str, ...]:
        """The logits, and the labels if they are fed in."""
        return ("logits", "labels") if self.uses_labels else ("logits",)

    @property
    def uses_labels(self) -> bool:
        """Only if they are fed in."""
        return self.inputs == "posteriors+class"

    def features(self, target: Target) -> Array:
        """h [N, D]."""
        f = posteriors(target)
        if self.uses_labels:
            return np.hstack([f, one_hot(target, f.shape[1])])
        falling = np.sort(f, axis=1)[:, ::-1]
        return falling[:, :3] if self.inputs == "top3" else falling

    def network(self, inputs: int, generator: "Generator") -> "nn.Module":
        """D -> 512 -> 256 -> 128 -> 2."""
        from torch.nn import Linear, ReLU, Sequential

        from ._layers import Dropout

        drop = Dropout(self.dropout, generator)
        first = (Linear(inputs, 512), ReLU(), drop, Linear(512, 256), ReLU(), drop)
        return Sequential(*first, Linear(256, 128), ReLU(), Linear(128, 2))
