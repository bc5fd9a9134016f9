from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from ..generators import GENERATORS
from ..train.recipe import Generate, GeneratorField, Recipe
from ._stages import edit_stages
from .base import Defence


@dataclass(frozen=True)
class SyntheticOnly(Defence):
    r"""Train on synthetic records and on nothing else: the members are seen by the generator alone.

    Formula: (x~, y~) from a generator fitted on the members; then the recipe's own stages on them
    Source:  Zhao, Zhang 2025, arXiv 2502.12976, which compares it with DP-SGD
    Limits:  what the generator memorised, the model can learn; as accurate as the generator is faithful
    """

    name: ClassVar[str] = "synthetic_only"
    source: ClassVar[str] = "Zhao, Zhang 2025, arXiv 2502.12976"

    generator: GeneratorField = field(
        default_factory=lambda: GENERATORS.make("image_vae")
    )  # makes the synthetic records
    fitted_on: Literal["members", "public"] = "members"  # records that the generator is fitted on
    size: float = 1.0  # synthetic records per member

    def recipe(self, base: Recipe) -> Recipe:
        generate = Generate(generator=self.generator, fitted_on=self.fitted_on, size=self.size)
        return edit_stages(replace(base, stages=(generate, *base.stages)), on="synthetic")
