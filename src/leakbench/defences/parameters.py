from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..core.errors import InputError
from ..train.recipe import CodeRecipe, Recipe
from .base import Defence


@dataclass(frozen=True)
class Parameters(Defence):
    r"""Train the code of `[trainer]` with other parameters, such as a smaller depth or fewer rounds.

    Formula: parameters = {**parameters of [trainer], **values}
    Source:  Yeom et al. 2018, section 6, arXiv 1709.01604, on trees of limited depth
    Limits:  less training leaks less and may be less accurate: name these rows in `frontier`, so that other defences
             are compared with them at the same accuracy. Networks are changed by the other defences
    """

    name: ClassVar[str] = "parameters"
    source: ClassVar[str] = "Yeom et al. 2018, arXiv 1709.01604"

    values: Mapping[str, Any] = field(default_factory=dict, hash=False)  # the parameters that differ

    def recipe(self, base: Recipe) -> Recipe:
        if self.values:
            raise InputError(
                f"parameters are those of the code in [trainer], got {dict(self.values)} and no [trainer]; add that "
                "table, or take a defence for networks"
            )
        return base

    def code_recipe(self, base: CodeRecipe) -> CodeRecipe:
        trainer = base.trainer
        return replace(base, trainer=replace(trainer, parameters={**trainer.parameters, **self.values}))
