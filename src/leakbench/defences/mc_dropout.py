from dataclasses import dataclass, replace
from typing import ClassVar

from ..core.checks import within
from ..train.recipe import MonteCarlo, Recipe
from .base import Defence


@dataclass(frozen=True)
class McDropout(Defence):
    r"""Train with dropout, and release the mean output of several passes with dropout still on.

    Formula: f(x) = 1/passes sum_p softmax(f(x; m_p)), m_p a mask that drops each unit with probability `rate`
    Source:  Gal, Ghahramani 2016, arXiv 1506.02142
    Differs: each pass has one mask for all records, drawn once for each model, so that repeated queries, and queries
             with other records, have the same output: an attacker gains nothing by averaging
    Limits:  a mean over masks smooths the outputs of members and of others alike; the weights keep what they have
             memorised. A query costs `passes` times as much
    """

    name: ClassVar[str] = "mc_dropout"
    source: ClassVar[str] = "Gal, Ghahramani 2016, arXiv 1506.02142"

    rate: float = 0.5  # share of units that are dropped
    passes: int = 20  # passes with masks of their own that are averaged

    def __post_init__(self) -> None:
        within("rate", self.rate, 0.0, 1.0, include_low=False)
        within("passes", self.passes, 1)

    def recipe(self, base: Recipe) -> Recipe:
        architecture = replace(base.architecture, dropout=self.rate)
        return replace(base, architecture=architecture, stages=(*base.stages, MonteCarlo(passes=self.passes)))
