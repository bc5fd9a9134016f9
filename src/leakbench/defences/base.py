"""What a defence is: an edit of the recipe, a map of the released output, or both."""

from typing import ClassVar

from ..registry import Plugin
from ..train.recipe import Recipe
from ..types import Array


class Defence(Plugin):
    """Changes how a model is made (`recipe`), or what it releases (`output`).

    An adaptive attacker trains shadow models through the same `recipe`, sees their answers through the same
    `output`, and undoes it with `inverse` where the map can be undone.
    """

    keeps_argmax: ClassVar[bool] = True  # the output map never changes the predicted class
    changes_output: ClassVar[bool] = False

    def recipe(self, base: Recipe) -> Recipe:
        """The recipe of a defended model. Default: unchanged."""
        return base

    def output(self, logits: Array) -> Array:
        """Released log-probabilities, up to a constant a row, from logits [..., N, C]. Default: unchanged."""
        return logits

    def inverse(self, released: Array) -> Array:
        """What an attacker who knows the map makes of the released answers. Default: takes them as they are."""
        return released
