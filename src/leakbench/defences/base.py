"""The interface of defences: an edit of the recipe, an output transform, or both."""

from typing import ClassVar

from ..core.errors import InputError
from ..core.registry import Plugin
from ..signals.types import Array
from ..train.recipe import CodeRecipe, Recipe
from .defender import Defender, Transform


class Defence(Plugin):
    """A defence, which edits the recipe of a model (`recipe`) or transforms its output (`output` or `release`).

    An adaptive attacker trains shadow models with the same `recipe` and the same output transform, and undoes the
    transform with `inverse` as far as that is possible.
    """

    keeps_argmax: ClassVar[bool] = True  # the output transform never changes the predicted class
    changes_output: ClassVar[bool] = False
    monotone: ClassVar[bool] = False  # one-to-one and undone by `inverse`: adaptive attacks do not change
    cached_per_model: ClassVar[bool] = (
        False  # outputs are released once per model and stored: the transform needs the defender, or is slow
    )
    needs_public: ClassVar[bool] = False  # the defender needs public records
    canary: ClassVar[str] = "mislabelled"  # the kind of canary that shows the worst case

    @property
    def queries_per_record(self) -> int:
        """How often an adaptive attacker queries each record: more than once if outputs are random."""
        return 1

    def recipe(self, base: Recipe) -> Recipe:
        """The recipe of a defended model. Default: unchanged."""
        return base

    def code_recipe(self, base: CodeRecipe) -> CodeRecipe:
        """The recipe of a defended model of code that is not ours. Default: unchanged.

        Raises InputError for a defence that changes how networks are trained.
        """
        if type(self).recipe is not Defence.recipe:
            raise InputError(
                f"the defence {self.name!r} changes the training of networks, so it does not apply to the code of "
                '[trainer]; leave it out, or change parameters of that code (name = "parameters")'
            )
        return base

    def output(self, logits: Array) -> Array:
        """Released log-probabilities, up to a constant a row, from logits [..., N, C]. Default: unchanged."""
        return logits

    def release(self, defender: Defender) -> Transform:
        """The output transform of one model, which may use its defender. Default: `output`.

        It is applied to all records of a study at once, so that random numbers are drawn once for all of them.
        """
        return self.output

    def inverse(self, released: Array) -> Array:
        """The logits that an adaptive attacker recovers from released outputs [..., N, C]. Default: unchanged."""
        return released
