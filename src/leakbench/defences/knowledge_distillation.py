from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..core.checks import within
from ..train.recipe import Distill, Recipe
from ._stages import like
from .base import Defence


@dataclass(frozen=True)
class KnowledgeDistillation(Defence):
    r"""Release a student that learned the trained model's softened outputs on the same members.

    Formula: min T^2 CE(softmax(teacher(x) / T), softmax(student(x) / T)) over the members x, T = temperature;
             `generations` times in a row, each student teaching the next
    Source:  Hinton, Vinyals, Dean 2015, arXiv 1503.02531; as a defence: Shejwalkar, Houmansadr 2021,
             arXiv 1906.06589; repeated: Mazzone et al. 2022 (RepKD)
    Differs: the transfer set are the members themselves, where those defences take other records; the true labels
             are not mixed in, and RepKD's masks on the teacher's outputs are left out
    Limits:  Jagielski et al. 2023, arXiv 2303.03446: LiRA works through the student, best where student and
             teacher have the same records, as here
    """

    name: ClassVar[str] = "knowledge_distillation"
    source: ClassVar[str] = "Hinton, Vinyals, Dean 2015, arXiv 1503.02531"
    variants: ClassVar[dict[str, dict[str, Any]]] = {"repeated_distillation": {"generations": 3}}

    temperature: float = 4.0  # T, which softens both outputs
    generations: int = 1  # times that a student is distilled

    def __post_init__(self) -> None:
        within("generations", self.generations, 1)
        within("temperature", self.temperature, 0.0, include_low=False)

    def recipe(self, base: Recipe) -> Recipe:
        student = like(base.training[-1], Distill, on="members", temperature=self.temperature)
        return replace(base, stages=(*base.stages, *[student] * self.generations))
