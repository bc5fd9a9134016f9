from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..signals.statistics import LOG_FLOOR
from ..signals.types import Array
from .base import Defence


@dataclass(frozen=True)
class LabelOnly(Defence):
    r"""Release the predicted class and nothing else.

    Formula: output(z) = log e_c with c = argmax z; a probability of 0 is 1e-30, and read as one half
    Source:  Shokri et al. 2017, section VIII (k = 1, without its value), arXiv 1610.05820
    Limits:  Choquette-Choo et al. 2021, arXiv 2007.14321: the labels of augmented records leak membership; no
             attack has a lower AUC than the gap attack
    """

    name: ClassVar[str] = "label_only"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820"
    changes_output: ClassVar[bool] = True

    def output(self, logits: Array) -> Array:
        released = np.full(logits.shape, LOG_FLOOR)
        np.put_along_axis(released, logits.argmax(axis=-1)[..., None], 0.0, axis=-1)
        return released
