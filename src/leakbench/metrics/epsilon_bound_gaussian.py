from dataclasses import dataclass
from typing import ClassVar

from ._guessing import Counted, GuessingMetric
from .statistics.one_run import gaussian_epsilon, one_run_mu
from .statistics.sample import Sample


@dataclass(frozen=True)
class GaussianEpsilonBound(GuessingMetric):
    r"""Which epsilon does the attack refute, if the training's trade-off curve is that of a Gaussian mechanism?

    Formula: epsilon(mu, delta) of the largest mu for which mu-Gaussian differential privacy is refuted by v of r right
                 guesses on m canaries; delta = Phi(-epsilon / mu + mu / 2) - e^epsilon Phi(-epsilon / mu - mu / 2).
    Shapes:  scores, members [n] -> number >= 0;  0 without leakage
    Source:  Mahloujifar, Melis and Chaudhuri 2024, arXiv 2410.22235
    Bounds:  as `epsilon_bound`, under one assumption more: that the training is mu-Gaussian private for some mu, as
             DP-SGD nearly is. So it is larger, and not a bound for other trainings.
    """

    name: ClassVar[str] = "epsilon_bound_gaussian"
    source: ClassVar[str] = "Mahloujifar, Melis and Chaudhuri 2024, arXiv 2410.22235"

    def applies(self, sample: Sample) -> str | None:
        """As every bound from guesses; and delta must be above 0, where epsilon is infinite for every mu above 0."""
        return super().applies(sample) if self.delta else "needs a delta above 0"

    def bound(self, counted: Counted, beta: float) -> float:
        """The epsilon of `one_run_mu`."""
        return gaussian_epsilon(one_run_mu(*counted, beta), self.delta)
