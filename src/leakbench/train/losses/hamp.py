import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from scipy.optimize import brentq
from scipy.special import entr

from ...core.checks import within
from .base import Loss, entropies

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class HampLoss(Loss):
    r"""Soft labels of high entropy in place of hard ones, and a reward for outputs of high entropy.

    Formula: KL(q || f) - alpha C H(f),  q = top on the label and (1 - top) / (C - 1) on each other class, with
             H(q) = gamma log C;  H in nats;  mean over the batch
    Source:  Chen, Pattabiraman 2024, section IV, arXiv 2307.01610; github.com/DependableSystemsLab/MIA_defense_HAMP
    Differs: the authors' code takes the mean of the KL over the classes too, which is KL / C - alpha H. Ours is that
             times C, so that their alpha has the same meaning and the recipe's learning rate stays. Their `top` is
             the first of 1, .99, .98, ... whose entropy is enough; ours is exact
    """

    name: ClassVar[str] = "hamp"
    source: ClassVar[str] = "Chen, Pattabiraman 2024, arXiv 2307.01610"

    gamma: float = 0.95
    alpha: float = 0.001

    def __post_init__(self) -> None:
        within("gamma", self.gamma, 0.0, 1.0)
        within("alpha", self.alpha, 0.0)

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        C = logits.shape[-1]
        top = top_probability(self.gamma, C)
        rest = (1.0 - top) / (C - 1)
        if targets.ndim < logits.ndim:
            soft = logits.new_full(logits.shape, rest).scatter(-1, targets[..., None], top)
        else:
            soft = rest + (top - rest) * targets
        divergence = (soft.xlogy(soft) - soft * logits.log_softmax(dim=-1)).sum(dim=-1)
        return (divergence - self.alpha * C * entropies(logits)).mean(dim=-1)


@lru_cache
def top_probability(gamma: float, C: int) -> float:
    """The label's probability in a soft label of entropy gamma log C whose other classes are equally likely.

    >>> top_probability(0.0, 10), round(top_probability(0.95, 10), 4)
    (1.0, 0.2698)
    """

    def surplus(top: float) -> float:
        return float(entr(top) + (C - 1) * entr((1.0 - top) / (C - 1))) - gamma * math.log(C)

    return float(brentq(surplus, 1.0 / C, 1.0, xtol=1e-15))
