"""What defences that edit every training stage share."""

from dataclasses import replace
from typing import Any

from ..train.recipe import Recipe


def edit_stages(recipe: Recipe, **changes: Any) -> Recipe:
    """`recipe` with the fields `changes` replaced in each of its stages.

    A change may be a function of the old value, so that part of a nested table can be replaced.
    """

    def edited(stage: Any) -> Any:
        values = {k: v(getattr(stage, k)) if callable(v) else v for k, v in changes.items()}
        return replace(stage, **values)

    return replace(recipe, stages=tuple(edited(stage) for stage in recipe.stages))
