from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..signals.models import Target
from ..signals.types import Array
from ._network import NetworkAttack, one_hot, posteriors

if TYPE_CHECKING:
    from torch import Generator, nn

WIDTH, HEADS, HIDDEN, LAYERS = 64, 4, 128, 3


@dataclass(frozen=True)
class Samia(NetworkAttack):
    r"""Does self-attention over classes tell members by their probabilities and how these change with the record?

    Formula: s(x) = o_1 - o_0;  class c is a token t_c = [f_c, g_c, 1[y = c]],
             g_c = (1/K) sum_k |f_c(x + eps u_k) - f_c(x)| / eps,  u ~ N(0, I)
             o = W_2 relu(W_1 [e_1 .. e_C]),  e = encoder(gelu(W_0 batchnorm(t))); member: s >= 0
    Shapes:  logits [V, N, C], sensitivity [N, C], labels [N] -> [N];  the encoder has 3 layers of 4 heads on
             tokens of 64, and no code of place;  f is averaged over views
    Source:  Yuan & Zhang 2022, arXiv 2202.03335, code mia_prune: `transformer.py`, `base_model.py`
    Differs: one attacker for each half of the target models, fitted on the other half; the score is the
             log-odds, not the decision alone. g is computed in float64. Attention's own weights too start from
             Xavier's normal law. A last batch of one record is left out.
    """

    name: ClassVar[str] = "samia"
    source: ClassVar[str] = "Yuan & Zhang 2022, arXiv 2202.03335"

    @property
    def needs(self) -> tuple[str, ...]:
        """Probabilities, labels, and outputs for noisy copies of the records."""
        return ("logits", "labels", "sensitivity")

    def features(self, target: Target) -> Array:
        """The tokens one after the other [N, 3 C]."""
        f = posteriors(target)
        return np.stack([f, target.sensitivity, one_hot(target, f.shape[1])], axis=2).reshape(len(f), -1)

    def network(self, inputs: int, generator: "Generator") -> "nn.Module":
        """Three numbers a class -> tokens -> encoded tokens -> 64 -> 2."""
        from torch.nn import GELU, BatchNorm1d, Flatten, Linear, ReLU, Sequential, Unflatten

        from ._layers import Dropout, EncoderLayer

        classes, drop = inputs // 3, Dropout(self.dropout, generator)
        tokens = (BatchNorm1d(inputs), Unflatten(1, (classes, 3)), Linear(3, WIDTH), GELU())
        encoder = [EncoderLayer(WIDTH, HEADS, HIDDEN, drop) for _ in range(LAYERS)]
        head = (Flatten(), Linear(WIDTH * classes, WIDTH), ReLU(), Linear(WIDTH, 2))
        return Sequential(*tokens, *encoder, *head)
