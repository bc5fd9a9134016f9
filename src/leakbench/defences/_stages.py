"""The common part of defences that edit the stages of a recipe."""

from dataclasses import fields, replace
from typing import Any, Literal, TypeVar

from ..core.errors import InputError
from ..train.losses import CrossEntropy, Loss
from ..train.recipe import Ensemble, Finetune, Recipe, Source, Train

Kind = TypeVar("Kind", bound=Train)

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
    """A stage that continues `stage`, on other records or with other settings."""
    return like(stage, Finetune, on=on, **changes)


def like(stage: Train, kind: type[Kind], **changes: Any) -> Kind:
    """A stage of another `kind` that trains as `stage` does, but for `changes`."""
    same = {f.name: getattr(stage, f.name) for f in fields(Train) if f.name != "stage"}
    return kind(**{**same, **changes})


def as_ensemble(recipe: Recipe, size: int, leaves_out: int = 0) -> Recipe:
    """`recipe` with an ensemble in place of its training. Raises InputError if it trains in several stages."""
    if len(recipe.training) != 1:
        raise InputError(
            "an ensemble takes the place of one train stage, got a recipe with "
            f"{' and '.join(stage.stage for stage in recipe.training)}; put this defence first in the chain, or "
            "train in one stage"
        )
    stages = (
        like(stage, Ensemble, size=size, leaves_out=leaves_out) if isinstance(stage, Train) else stage
        for stage in recipe.stages
    )
    return replace(recipe, stages=tuple(stages))


def with_loss(recipe: Recipe, which: Which, loss: Loss) -> Recipe:
    """`recipe` whose stages learn by `loss`, in place of plain cross-entropy or of other parameters of `loss`.

    Raises InputError if a stage has another loss, which would be lost.
    """

    def replaced(old: Loss) -> Loss:
        if old == CrossEntropy() or old.name == loss.name:
            return loss
        raise InputError(
            f"a stage has one loss, got {loss.name!r} on top of {old.spec()}; take one of them, or give the other "
            'stages of its own (stages = "last")'
        )

    return edit_stages(recipe, which, loss=replaced)
