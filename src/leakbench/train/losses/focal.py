from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...core.checks import within
from .base import Loss, cross_entropies

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FocalLoss(Loss):
    r"""Cross-entropy with less weight on records that the model already gets right.

    Formula: (1 - p)^gamma CE,  p = exp(-CE), which is the label's probability;  mean over the batch
    Source:  Lin et al. 2017, equation 4, arXiv 1708.02002, without their class weights
    """

    name: ClassVar[str] = "focal"
    source: ClassVar[str] = "Lin et al. 2017, arXiv 1708.02002"

    gamma: float = 2.0

    def __post_init__(self) -> None:
        within("gamma", self.gamma, 0.0)

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        return focal(cross_entropies(logits, targets), self.gamma).mean(dim=-1)


def focal(costs: "Tensor", gamma: float) -> "Tensor":
    """(1 - exp(-CE))^gamma CE from cross-entropies CE of any shape."""
    missing = (-(-costs).expm1()).clamp(min=1e-12)  # a root of 0 has no gradient
    return missing**gamma * costs
