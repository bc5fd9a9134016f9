from dataclasses import dataclass
from typing import ClassVar

from ._statistic import StatisticAttack


@dataclass(frozen=True)
class Entropy(StatisticAttack):
    r"""Is the entropy of the predicted probabilities low? Needs no label.

    Formula: s(x) = -H(f),  H(f) = -sum_c f_c log f_c  (mean over views)
    Shapes:  entropy [V, N] -> [N]
    Source:  Song & Mittal 2021, section 3, arXiv 2003.10595 (one threshold for all classes)
    Differs: nothing. A confident misclassification scores like a member; `modified_entropy` corrects that.
    """

    name: ClassVar[str] = "entropy"
    source: ClassVar[str] = "Song & Mittal 2021, arXiv 2003.10595"
    statistic: ClassVar[str] = "entropy"
