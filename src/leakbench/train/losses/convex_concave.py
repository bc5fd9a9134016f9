from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from ...core.checks import within
from ...core.errors import InputError, unknown
from .base import Loss, cross_entropies
from .focal import focal

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["ccel", "ccql", "focal_ccel"]


@dataclass(frozen=True)
class ConvexConcaveLoss(Loss):
    r"""A convex loss, and a concave one that pulls less on unlikely labels and more on likely ones.

    Formula: beta (alpha convex - (1 - alpha) concave), with p = exp(-CE), the label's probability;
             ccel: CE, exp(p);  ccql: CE, p + p^2 / 2;  focal_ccel: (1 - p)^gamma CE, exp(p);  mean over the batch
    Source:  Liu et al. 2024, section 4, arXiv 2402.05453; their code in the fork Fujump/MLHospital, `CCL.py`
    Differs: in focal_ccel their code adds (1 - alpha) exp(p), which pushes p down; ours subtracts it, as their
             other two forms do
    """

    name: ClassVar[str] = "convex_concave"
    source: ClassVar[str] = "Liu et al. 2024, arXiv 2402.05453"

    form: Form = "ccel"
    alpha: float = 0.5
    beta: float = 0.05
    gamma: float = 1.0  # focal_ccel only

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise unknown("form of convex_concave", self.form, get_args(Form))
        within("beta", self.beta, 0.0, include_low=False)
        within("gamma", self.gamma, 0.0)
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha must be a share of at least 0 and at most 1, got {self.alpha}")

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        costs = cross_entropies(logits, targets)
        p = (-costs).exp()
        concave = p + p**2 / 2 if self.form == "ccql" else p.exp()
        convex = focal(costs, self.gamma) if self.form == "focal_ccel" else costs
        return self.beta * (self.alpha * convex - (1.0 - self.alpha) * concave).mean(dim=-1)
