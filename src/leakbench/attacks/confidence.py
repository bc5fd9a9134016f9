from dataclasses import dataclass
from typing import ClassVar

from ._statistic import StatisticAttack


@dataclass(frozen=True)
class Confidence(StatisticAttack):
    r"""Is the probability of the true label high? With one view it ranks as the loss does.

    Formula: s(x) = p = f_y  (mean over views)
    Shapes:  confidence [V, N] -> [N]
    Source:  Song & Mittal 2021, section 3, arXiv 2003.10595 (one threshold for all classes)
    Differs: nothing; for one threshold a class see `confidence_per_class`, for the label-free one
             `top_confidence`.
    """

    name: ClassVar[str] = "confidence"
    source: ClassVar[str] = "Song & Mittal 2021, arXiv 2003.10595"
    version: ClassVar[int] = 3
    statistic: ClassVar[str] = "confidence"
