"""What a defence is: an edit of the recipe, a map of the released output, or both."""

from typing import ClassVar

from ..core.registry import Plugin
from ..signals.types import Array
from ..train.recipe import Recipe
from .defender import Defender, Transform


class Defence(Plugin):
    """Changes how a model is made (`recipe`), or what it releases (`output`, or `release` with its owner's help).

    An adaptive attacker trains shadow models through the same `recipe`, sees their answers through the same
    output map, and undoes it with `inverse` where the map can be undone.
    """

    keeps_argmax: ClassVar[bool] = True  # the output map never changes the predicted class
    changes_output: ClassVar[bool] = False
    monotone: ClassVar[bool] = False  # one-to-one and undone by `inverse`: an adaptive attack reads the same
    cached_per_model: ClassVar[bool] = (
        False  # answers are made once a model and kept: it needs its owner, or long
    )
    needs_public: ClassVar[bool] = False  # its owner needs public records
    canary: ClassVar[str] = "mislabelled"  # the kind of canary that shows its worst case

    @property
    def queries_per_record(self) -> int:
        """How often an attacker who knows the defence asks each record: more than once if answers are random."""
        return 1

    def recipe(self, base: Recipe) -> Recipe:
        """The recipe of a defended model. Default: unchanged."""
        return base

    def output(self, logits: Array) -> Array:
        """Released log-probabilities, up to a constant a row, from logits [..., N, C]. Default: unchanged."""
        return logits

    def release(self, defender: Defender) -> Transform:
        """The output map of one model, whose owner may be asked for what it needs. Default: `output`.

        All records of a study go through the map at once, and so does all that is drawn for them.
        """
        return self.output

    def inverse(self, released: Array) -> Array:
        """What an attacker who knows the map makes of the released answers. Default: takes them as they are."""
        return released
