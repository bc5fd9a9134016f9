from dataclasses import dataclass
from typing import ClassVar

from ._guessing import Counted, GuessingMetric
from .statistics.one_run import one_run_epsilon


@dataclass(frozen=True)
class EpsilonBound(GuessingMetric):
    r"""Which epsilon of differential privacy does the attack refute, for any training at all?

    Formula: the largest epsilon with P[B >= v] + 2 m delta max_i P[v > B >= v - i] / i <= 1 - level,
                 B ~ Binomial(r, 1 / (1 + e^-epsilon)): of m canaries r are guessed, v rightly; 0 if there is none.
    Shapes:  scores, members [n] -> number >= 0;  0 without leakage
    Source:  Steinke, Nasr and Jagielski 2023, arXiv 2305.08846
    Bounds:  the epsilon of adding or removing one record, at `delta`, of the training whose outputs were attacked. It
             holds if fair coins drew the members, independently of everything else that the attacker knows.
    """

    name: ClassVar[str] = "epsilon_bound"
    source: ClassVar[str] = "Steinke, Nasr and Jagielski 2023, arXiv 2305.08846"

    def bound(self, counted: Counted, beta: float) -> float:
        """As `one_run_epsilon`."""
        return one_run_epsilon(*counted, self.delta, beta)
