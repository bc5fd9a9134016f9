from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from ...core.checks import within
from ...core.errors import InputError, unknown
from .base import Loss, cross_entropies

if TYPE_CHECKING:
    from torch import Tensor

Flattened = Literal["wrong", "all"]


@dataclass(frozen=True)
class RelaxLoss(Loss):
    r"""Hold the loss of members at a level alpha that non-members reach too, instead of at zero.

    Formula: with L the mean cross-entropy of the batch, in epochs 0, 2, 4, ...: |L - alpha|; in the others L where
             L > alpha, else ("wrong") mean(1[f wrong] CE(t, f) - CE(y, f)), or ("all") mean CE(t, f), with
             t = min(f_y, upper) on the label y and the rest spread evenly
    Source:  Chen, Yu, Fritz 2022, algorithm 1, arXiv 2207.05801; github.com/DingfanChen/RelaxLoss: "wrong" is their
             code for images, "all" that for tables
    Differs: t is a target, through which no gradient flows: that flattens the other classes and leaves f_y as it
             is. In their code it flows through f_y
    """

    name: ClassVar[str] = "relaxloss"
    source: ClassVar[str] = "Chen, Yu, Fritz 2022, arXiv 2207.05801"
    per_record: ClassVar[bool] = False  # the term of a record depends on the mean of its batch

    alpha: float = 1.0
    upper: float = 1.0
    flattened: Flattened = "wrong"

    def __post_init__(self) -> None:
        within("alpha", self.alpha, 0.0)
        if not 0 < self.upper <= 1:
            raise InputError(f"upper must be a probability above 0 and at most 1, got {self.upper}")
        if self.flattened not in get_args(Flattened):
            raise unknown("records to flatten:", self.flattened, get_args(Flattened))

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        return (cross_entropies(logits, targets).mean(dim=-1) - self.alpha).abs()

    def at(self, epoch: int) -> Loss:
        return _Odd(self.alpha, self.upper, self.flattened) if epoch % 2 else self


@dataclass(frozen=True)
class _Odd(Loss):
    """The objective of RelaxLoss in its odd epochs."""

    per_record: ClassVar[bool] = False

    alpha: float
    upper: float
    flattened: Flattened

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        costs = cross_entropies(logits, targets)
        labels = targets if targets.ndim < logits.ndim else targets.argmax(dim=-1)
        flat = self._flat(logits, labels)
        if self.flattened == "wrong":
            flat = (logits.argmax(dim=-1) != labels) * flat - costs
        mean = costs.mean(dim=-1)
        return mean.where(mean > self.alpha, flat.mean(dim=-1))

    def _flat(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """CE(t, f) of each record [K, B]."""
        log_p = logits.log_softmax(dim=-1)
        own = log_p.gather(-1, labels[..., None])[..., 0]
        top = own.detach().exp().clamp(max=self.upper)
        rest = (1.0 - top) / (logits.shape[-1] - 1)
        return -(top * own + rest * (log_p.sum(dim=-1) - own))
