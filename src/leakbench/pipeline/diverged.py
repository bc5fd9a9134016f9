"""Leaves out models whose training diverged, so that all defences are compared on the same models."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from ..core.errors import LeakbenchError
from ..core.results import UNDEFENDED, Flag
from ..evaluation.flags import diverged_flags
from ..train.recipe import CodeRecipe, Recipe
from .train import Trainer

MOST = 0.25  # of a defence's models that may diverge before the defence is left out


@dataclass(frozen=True, eq=False)
class Converged:
    """The models that converged, the recipes by label of their defence, and flags about those that diverged."""

    trainer: Trainer
    recipes: Mapping[str, Recipe]
    flags: list[Flag]

    @property
    def precision(self) -> list[str]:
        """The precisions in which networks were trained; none where code trains the models."""
        networks = [recipe for recipe in self.recipes.values() if not isinstance(recipe, CodeRecipe)]
        return sorted({self.trainer.engine_of(recipe).precision for recipe in networks})


def without_diverged(trainer: Trainer, recipes: Mapping[str, Recipe]) -> Converged:
    """Leave out each defence of which more than the share `MOST` of the models diverged, and all other diverged models.

    So every defence is attacked on the same models, and paired differences stay paired. If no target would be left, the
    defences with the most diverged models are left out first. Raises LeakbenchError, with the seeds, if no undefended
    model is left to attack.
    """
    models = len(trainer.split.members)
    lost = {label: trainer.diverged(recipe) for label, recipe in recipes.items()}
    hopeless = {label for label, why in lost.items() if len(why) > MOST * models}
    while (gone := _gone(lost, hopeless)) and not trainer.split.without(gone).targets:
        others = [label for label in lost if label not in hopeless and label != UNDEFENDED and lost[label]]
        if not others:
            break
        hopeless.add(max(others, key=lambda label: len(lost[label])))
    left = {label: recipe for label, recipe in recipes.items() if label not in hopeless}
    flags = [
        flag for label, why in lost.items() for flag in diverged_flags(label, why, models, label in hopeless)
    ]
    split = trainer.split.without(gone)
    if UNDEFENDED in hopeless or not split.targets:
        said = "; ".join(f"{flag.defence}: {flag.message}" for flag in flags)
        raise LeakbenchError(f"too many models diverged: {said}; use a smaller learning rate (optimiser lr)")
    if not gone:
        return Converged(trainer, left, flags)
    return Converged(replace(trainer, split=split), left, flags)


def _gone(lost: Mapping[str, Mapping[int, str]], hopeless: Collection[str]) -> set[int]:
    """The models that diverged under any defence that stays in the study."""
    return {m for label, why in lost.items() if label not in hopeless for m in why}
