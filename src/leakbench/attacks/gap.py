from dataclasses import dataclass
from typing import ClassVar

from ._statistic import StatisticAttack
from .base import Access


@dataclass(frozen=True)
class Gap(StatisticAttack):
    r"""Is x classified correctly? A model is right more often on what it was trained on.

    Formula: s(x) = 1[argmax_c f_c = y]  (mean over views), member where s >= 1/2
             balanced accuracy = 1/2 + (training accuracy - test accuracy) / 2, exactly
    Shapes:  correct [V, N] -> [N]
    Source:  Yeom et al. 2018, section III, arXiv 1709.01604
    Differs: with several views a majority of them decides. No output defence that keeps the label goes below
             it.
    """

    name: ClassVar[str] = "gap"
    source: ClassVar[str] = "Yeom et al. 2018, arXiv 1709.01604"
    statistic: ClassVar[str] = "correct"
    access: ClassVar[Access] = "labels"

    @property
    def decision(self) -> float | None:
        """A majority of the views."""
        return 0.5
