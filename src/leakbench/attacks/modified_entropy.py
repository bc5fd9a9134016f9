from dataclasses import dataclass
from typing import ClassVar

from ._statistic import StatisticAttack


@dataclass(frozen=True)
class ModifiedEntropy(StatisticAttack):
    r"""Are the predicted probabilities certain, and certain of the true label?

    Formula: s(x) = -Mentr,  Mentr = -(1 - p) log p - sum_{c != y} f_c log(1 - f_c)  (mean over views)
    Shapes:  `modified_entropy` [V, N] -> [N]
    Source:  Song & Mittal 2021, section 3, equation 8, arXiv 2003.10595 (one threshold for all classes)
    Differs: logarithms are stable instead of clipped at 1e-30.
    """

    name: ClassVar[str] = "modified_entropy"
    source: ClassVar[str] = "Song & Mittal 2021, arXiv 2003.10595"
    version: ClassVar[int] = 2
    statistic: ClassVar[str] = "modified_entropy"
