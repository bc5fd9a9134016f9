from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.statistics import logsumexp
from ..signals.types import Array
from .base import Defence


@dataclass(frozen=True)
class TopK(Defence):
    r"""Release the k largest probabilities only; the other classes share what is left evenly.

    Formula: output(z)_c = log f_c for the k largest f_c, else log((1 - sum of those k) / (C - k)); of equal ones
             the first classes count as larger
    Source:  Shokri et al. 2017, section VIII, arXiv 1610.05820
    Differs: they release k numbers; the others follow from these as an even rest
    Limits:  label-only attacks do not change, nor does an attack on the true class if it is among the k
    """

    name: ClassVar[str] = "top_k"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820"
    changes_output: ClassVar[bool] = True

    k: int = 3  # classes whose probability is released

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"k must be at least 1 class, got {self.k}")

    def output(self, logits: Array) -> Array:
        others = logits.shape[-1] - self.k
        if others <= 0:
            return logits
        order = np.argsort(-logits, axis=-1, kind="stable")
        kept, rest = order[..., : self.k], order[..., self.k :]
        smallest = np.take_along_axis(logits, kept[..., -1:], axis=-1)
        share = logsumexp(np.take_along_axis(logits, rest, axis=-1))[..., None] - np.log(others)
        released = np.array(logits)
        np.put_along_axis(
            released, rest, np.minimum(share, smallest), axis=-1
        )  # rounding makes no new leader
        return released
