from dataclasses import dataclass
from typing import ClassVar

from ._statistic import StatisticAttack


@dataclass(frozen=True)
class TopConfidence(StatisticAttack):
    r"""Is the largest probability high, whichever class it is? Needs no label.

    Formula: s(x) = max_c f_c  (mean over views)
    Shapes:  `top_confidence` [V, N] -> [N]
    Source:  Salem et al. 2019, adversary 3, arXiv 1806.01246
    Differs: the threshold is swept, or chosen on shadow models. Tables elsewhere call the true label's
             probability "top-1 confidence"; that one is `confidence` here.
    """

    name: ClassVar[str] = "top_confidence"
    source: ClassVar[str] = "Salem et al. 2019, arXiv 1806.01246"
    statistic: ClassVar[str] = "top_confidence"
