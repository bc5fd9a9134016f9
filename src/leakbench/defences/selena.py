from dataclasses import dataclass, replace
from typing import ClassVar

from ..core.errors import InputError
from ..train.recipe import Distill, Recipe
from ._stages import as_ensemble, like
from .base import Defence


@dataclass(frozen=True)
class Selena(Defence):
    r"""Distil from an ensemble whose output for each member comes only from networks that were not trained on it.

    Formula: Split-AI: K = size networks; each member is left out by L = `leaves_out` of them, O(x).
             t(x) = 1/L sum_{k in O(x)} softmax(f_k(x));  min_student sum_x CE(t(x), student(x)) over the members x
    Source:  Tang et al. 2022, arXiv 2110.08324 (SELENA), and its code
    Differs: the authors draw O(x) for each member by itself; here it is balanced, so that the networks train on
             nearly equal numbers of members. Network and student train as the recipe says and the last weights
             are released, where the code keeps those with the best accuracy on test records
    Limits:  Aerni et al. 2024, arXiv 2404.17399: a member with a near-duplicate keeps its label inside the
             networks that left it out. Jagielski et al. 2023, arXiv 2303.03446: students leak their teachers'
             members. Costs `size` trainings, of the share 1 - L/K of the members, and one more
    """

    name: ClassVar[str] = "selena"
    source: ClassVar[str] = "Tang et al. 2022, arXiv 2110.08324"
    canary = "near_duplicate"  # Aerni et al. 2024, section on SELENA

    size: int = 25  # networks of the ensemble
    leaves_out: int = 10  # networks that each member is left out of

    def __post_init__(self) -> None:
        if not 1 <= self.leaves_out < self.size:
            raise InputError(
                f"leaves_out must be at least 1 and below size = {self.size}, got {self.leaves_out}"
            )

    def recipe(self, base: Recipe) -> Recipe:
        ensemble = as_ensemble(base, self.size, self.leaves_out)
        return replace(base, stages=(*ensemble.stages, like(base.training[0], Distill, on="members")))
