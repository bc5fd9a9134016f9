from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ...core.seeds import stream
from ..dataset import Dataset, Indices
from .base import MOST_MODELS, Design, Split


@dataclass(frozen=True)
class Disjoint(Design):
    """Victim and attacker have half of the pool each. A half is split 45/10/45 into members, dev, non-members.

    Model 0 is the victim's, and the only target. Each shadow model cuts the attacker's half anew, at random.
    Members and non-members are equally many. For a model, a record of the other half is neither.

    Shapes: pool [N] -> members [1 + S, N]; audited [1 + S, N] on the members and non-members of the own half
    Source: Yuan, Zhang 2022, arXiv 2202.03335, and their code mia_prune, pretrain.py
    Differs: cuts the pool, not all records: the data set's test part stays for utility and as population;
        exactly as many members as non-members (45 % each, rounded down; the rest is dev).
    """

    name: ClassVar[str] = "disjoint"
    source: ClassVar[str] = "Yuan, Zhang 2022, arXiv 2202.03335"

    shadows: int = 5

    def __post_init__(self) -> None:
        if self.shadows > MOST_MODELS:
            raise InputError(f"shadows must be at most {MOST_MODELS}, got {self.shadows}")
        if self.shadows < 1:
            raise InputError(f"shadows must be at least 1, got {self.shadows}; the design 'single' has none")

    def split(self, dataset: Dataset, seed: int) -> Split:
        pool = dataset.parts["pool"]
        halves = stream(seed, "design", self.name).permutation(len(pool))
        victim, attacker = np.array_split(halves, 2)
        members = np.zeros((1 + self.shadows, len(pool)), dtype=np.bool_)
        audited = members.copy()
        dev: list[Indices] = []
        for m in range(1 + self.shadows):
            half = attacker if m else victim
            order = stream(seed, "design", self.name, m).permutation(half)
            side = len(order) * 9 // 20
            members[m, order[:side]] = True
            audited[m, order[: 2 * side]] = True
            dev.append(pool[np.sort(order[2 * side :])])
        return Split(pool, members, audited, tuple(dev), (0,)).check(dataset)
