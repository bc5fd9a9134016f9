from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from ...core.checks import within
from ...core.errors import unknown
from .base import Loss, cross_entropies, entropies

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["penalty", "inverse"]
WEIGHTS: dict[str, float] = {"penalty": 0.1, "inverse": 2.0}  # the authors'


@dataclass(frozen=True)
class EntropyRegularizedLoss(Loss):
    r"""Cross-entropy with a reward for a high entropy H of the output.

    Formula: penalty: CE - weight H;  inverse: CE + weight / (1 + H);  H = -sum_c p_c log p_c, p = softmax(z), in
             nats;  mean over the batch
    Source:  penalty: Pereyra et al. 2017, equation 2, arXiv 1701.06548; inverse: defence M-17 of
             github.com/dianujer/entropy_driven_MIA_defenses
    """

    name: ClassVar[str] = "entropy_regularization"
    source: ClassVar[str] = "Pereyra et al. 2017, arXiv 1701.06548"

    form: Form = "penalty"
    weight: float | None = None  # None: .1 (penalty), 2 (inverse)

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise unknown("form of entropy_regularization", self.form, get_args(Form))
        weight = WEIGHTS[self.form] if self.weight is None else self.weight
        object.__setattr__(self, "weight", weight)
        within("weight", weight, 0.0)

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        assert self.weight is not None
        entropy = entropies(logits)
        term = -entropy if self.form == "penalty" else 1.0 / (1.0 + entropy)
        return (cross_entropies(logits, targets) + self.weight * term).mean(dim=-1)
