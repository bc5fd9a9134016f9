from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .base import Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    r"""The squared distance of the logits, without a softmax, from the one-hot label.

    Formula: l = (1 / C) sum_c (z_c - q_c)^2,  q = onehot(y), or the target distribution;  mean over the batch
    Source:  Hui, Belkin 2021, arXiv 2006.07322 (there with weights that are 1 by default)
    Limits:  the optimal logits are P(y | x) itself, between 0 and 1: their softmax is far flatter
    """

    name: ClassVar[str] = "mse"
    source: ClassVar[str] = "Hui, Belkin 2021, arXiv 2006.07322"

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        wanted = targets
        if targets.ndim < logits.ndim:
            wanted = logits.new_zeros(logits.shape).scatter(-1, targets[..., None], 1.0)
        return ((logits - wanted) ** 2).mean(dim=(-1, -2))
