from dataclasses import dataclass, replace
from typing import ClassVar

from ..core.checks import within
from ..train.recipe import CodeRecipe, Recipe
from ._stages import as_ensemble
from .base import Defence


@dataclass(frozen=True)
class Ensemble(Defence):
    r"""Release the mean output of several networks, each trained on all members from its own start.

    Formula: f(x) = 1/size sum_k softmax(f_k(x)); the f_k differ in their random numbers: initial weights, order
    Source:  Rezaei, Shafiq, Liu 2023, arXiv 2105.05381; Lakshminarayanan et al. 2017, arXiv 1612.01474
    Limits:  more accurate, and leaks more: the networks agree on members and disagree on others, so that the mean
             separates them better than one network does (Rezaei et al.); costs `size` times the training
    """

    name: ClassVar[str] = "ensemble"
    source: ClassVar[str] = "Rezaei, Shafiq, Liu 2023, arXiv 2105.05381"

    size: int = 5  # networks

    def __post_init__(self) -> None:
        within("size", self.size, 1)

    def recipe(self, base: Recipe) -> Recipe:
        return as_ensemble(base, self.size)

    def code_recipe(self, base: CodeRecipe) -> CodeRecipe:
        return replace(base, size=self.size)
