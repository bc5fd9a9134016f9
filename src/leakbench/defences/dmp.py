from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, Literal

from ..generators import GENERATORS
from ..train.recipe import Distill, Generate, GeneratorField, Recipe, Train
from .base import Defence


@dataclass(frozen=True)
class Dmp(Defence):
    r"""Distil the trained model into a fresh one, on synthetic records that the first one labels.

    Formula: min KL(teacher(x~) || student(x~)) over synthetic x~, of which the share `keep_fraction` with the
             lowest entropy of the teacher's output is used; the student trains as the last training stage does
    Source:  Shejwalkar, Houmansadr 2021, arXiv 1906.06589 (Distillation for Membership Privacy)
    Differs: the transfer set is synthetic (theirs for CIFAR comes from a DCGAN); by default all of it is kept
    Limits:  Jagielski et al. 2023, arXiv 2303.03446: LiRA works through the student, even on records that it
             never saw; the teacher's outputs carry membership
    """

    name: ClassVar[str] = "dmp"
    source: ClassVar[str] = "Shejwalkar, Houmansadr 2021, arXiv 1906.06589"

    generator: GeneratorField = field(
        default_factory=lambda: GENERATORS.make("image_vae")
    )  # makes the synthetic records
    fitted_on: Literal["members", "public"] = "members"  # records that the generator is fitted on
    size: float = 1.0  # synthetic records per member
    temperature: float = 1.0  # T of the distillation
    keep_fraction: float = 1.0  # share of the synthetic records kept, lowest entropy first

    def recipe(self, base: Recipe) -> Recipe:
        generate = Generate(generator=self.generator, fitted_on=self.fitted_on, size=self.size)
        last = base.training[-1]
        same = {f.name: getattr(last, f.name) for f in fields(Train) if f.name not in ("stage", "on")}
        own = {"on": "synthetic", "temperature": self.temperature, "keep_fraction": self.keep_fraction}
        distill = Distill(**(same | own))
        return replace(base, stages=(*base.stages, generate, distill))
