from dataclasses import dataclass, replace
from typing import ClassVar

from ..core.checks import within
from ..train.recipe import Recipe
from .base import Defence


@dataclass(frozen=True)
class Dropout(Defence):
    r"""Leave out units at random while training, so that no group of them can remember a record.

    Formula: each hidden unit is 0 with probability `rate` in a step, else times 1 / (1 - rate); 0 leaves the
             architecture as it is. In every stage, of architectures with dropout: mlp, `column_fc`, cnn
    Source:  Srivastava et al. 2014, JMLR 15; as a defence Salem et al. 2019, section VI, arXiv 1806.01246, rate .5
    Limits:  Kaya and Dumitras 2021: regularisers made for accuracy narrow the gap and leave the attack; compare with
             early stopping at equal accuracy
    """

    name: ClassVar[str] = "dropout"
    source: ClassVar[str] = "Salem et al. 2019, arXiv 1806.01246"

    rate: float = 0.5  # share of units that are dropped

    def __post_init__(self) -> None:
        within("rate", self.rate, 0.0, 1.0)

    def recipe(self, base: Recipe) -> Recipe:
        if not self.rate:
            return base
        return replace(base, architecture=replace(base.architecture, dropout=self.rate))
