"""What defences that edit stages share."""

from dataclasses import fields, replace
from typing import Any, Literal

from ..train.recipe import Finetune, Recipe, Source, Train

Which = Literal["all", "last"]  # stages that a defence edits: all that train, or the last of them


def edit_stages(recipe: Recipe, which: Which = "all", **changes: Any) -> Recipe:
    """`recipe` with the fields `changes` replaced in each of its stages that trains, or in the last of them.

    A change may be a function of the old value, so that part of a nested table can be replaced.
    """
    last = max(n for n, stage in enumerate(recipe.stages) if isinstance(stage, Train))

    def edited(number: int, stage: Any) -> Any:
        if not isinstance(stage, Train) or (which == "last" and number != last):
            return stage
        return replace(stage, **{k: v(getattr(stage, k)) if callable(v) else v for k, v in changes.items()})

    return replace(recipe, stages=tuple(edited(n, stage) for n, stage in enumerate(recipe.stages)))


def finetuning(stage: Train, on: Source, **changes: Any) -> Finetune:
    """A stage that goes on as `stage` did, on other records or with other settings."""
    same = {f.name: getattr(stage, f.name) for f in fields(Train) if f.name != "stage"}
    return Finetune(**{**same, "on": on, **changes})
