"""Models whose training diverged are named and left out, so that what is compared stays alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .errors import LeakbenchError
from .flags import diverged_flags
from .models import Workshop
from .results import UNDEFENDED, Flag
from .train.recipe import Recipe

MOST = 0.25  # of a defence's models that may diverge before the defence is left out


@dataclass(frozen=True, eq=False)
class Survivors:
    """What goes on after training: the models that are left, the recipes by label of their defence, and flags."""

    workshop: Workshop
    recipes: Mapping[str, Recipe]
    flags: list[Flag]


def survivors(workshop: Workshop, recipes: Mapping[str, Recipe]) -> Survivors:
    """Leave out what diverged: a defence with more than `MOST` of its models; else the model, from every defence.

    So every defence is still attacked on the same models, and paired differences stay paired. Raises LeakbenchError,
    with the seeds, if that leaves no undefended model to attack.
    """
    models = len(workshop.split.members)
    lost = {label: workshop.diverged(recipe) for label, recipe in recipes.items()}
    hopeless = {label for label, why in lost.items() if len(why) > MOST * models}
    left = {label: recipe for label, recipe in recipes.items() if label not in hopeless}
    gone = {m for label in left for m in lost[label]}
    flags = [
        flag for label, why in lost.items() for flag in diverged_flags(label, why, models, label in hopeless)
    ]
    split = workshop.split.without(gone)
    if UNDEFENDED in hopeless or not split.targets:
        said = "; ".join(f"{flag.defence}: {flag.message}" for flag in flags)
        raise LeakbenchError(f"too many models diverged: {said}; use a smaller learning rate (optimiser lr)")
    if not gone:
        return Survivors(workshop, left, flags)
    return Survivors(replace(workshop, split=split), left, flags)
