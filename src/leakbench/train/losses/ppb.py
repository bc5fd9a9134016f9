from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...core.errors import InputError
from .base import Loss, cross_entropies

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PpbLoss(Loss):
    r"""Cross-entropy with a penalty on differences between the sorted probabilities of two records.

    Formula: CE + weight KL(p_2 || p_1),  p_i = softmax(sort(z)) of the i-th half of the batch, record by record;
             KL(p || q) = sum_c p_c (log p_c - log q_c), mean over the pairs; of an odd batch the last is left out
    Source:  Yuan, Zhang 2022, section 6, arXiv 2202.03335; their code mia_prune, `base_model.py`
    """

    name: ClassVar[str] = "ppb"
    source: ClassVar[str] = "Yuan, Zhang 2022, arXiv 2202.03335"
    per_record: ClassVar[bool] = False

    weight: float = 4.0

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise InputError(f"the weight of ppb must not be negative, got {self.weight}")

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        loss = cross_entropies(logits, targets).mean(dim=-1)
        half = logits.shape[1] // 2
        if not half:
            return loss
        shapes = logits[:, : 2 * half].sort(dim=-1).values.log_softmax(dim=-1)
        first, second = shapes[:, :half], shapes[:, half:]
        return loss + self.weight * (second.exp() * (second - first)).sum(dim=-1).mean(dim=-1)
