from dataclasses import dataclass
from typing import ClassVar

from ._statistic import StatisticAttack


@dataclass(frozen=True)
class Scores(StatisticAttack):
    r"""What do ready scores say that were computed elsewhere?

    Formula: s(x) = the score given  (mean over views); higher must mean more likely a member
    Shapes:  score [V, N] -> [N]
    Source:  the caller
    Differs: nothing is computed, so any attack of any tool can be measured with the same metrics.
    """

    name: ClassVar[str] = "scores"
    source: ClassVar[str] = "given by the caller"
    statistic: ClassVar[str] = "score"

    @property
    def uses_labels(self) -> bool:
        """The scores are ready."""
        return False
