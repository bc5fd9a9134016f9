from dataclasses import dataclass
from typing import ClassVar

from ._statistic import StatisticAttack


@dataclass(frozen=True)
class Loss(StatisticAttack):
    r"""Is the loss on x low? Members were trained to have a low one.

    Formula: s(x) = -l(x),  l = -log p  (mean over views)
    Shapes:  loss [V, N] -> [N]
    Source:  Yeom et al. 2018, section III, arXiv 1709.01604
    Differs: the threshold is swept, or chosen on shadow models; the paper fixes it at the mean training loss.
    """

    name: ClassVar[str] = "loss"
    source: ClassVar[str] = "Yeom et al. 2018, arXiv 1709.01604"
    version: ClassVar[int] = 3
    statistic: ClassVar[str] = "loss"
