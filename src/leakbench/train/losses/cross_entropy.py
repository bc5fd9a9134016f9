from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...core.errors import InputError
from .base import Loss, cross_entropies

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CrossEntropy(Loss):
    r"""The negative log-likelihood of the label, or of a label mixed with the uniform distribution.

    Formula: l = -sum_c q_c log f_c(x),  q = (1 - smoothing) onehot(y) + smoothing / C;  mean over the batch
    Source:  Szegedy et al. 2016, section 7, arXiv 1512.00567
    """

    name: ClassVar[str] = "cross_entropy"
    source: ClassVar[str] = "Szegedy et al. 2016, arXiv 1512.00567"

    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise InputError(f"smoothing must be at least 0 and below 1, got {self.smoothing}")

    @property
    def smoothed(self) -> float:
        return self.smoothing

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        return cross_entropies(logits, targets, self.smoothing).mean(dim=-1)
