from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.types import Array
from ._centred import centred, norm
from .base import Defence


@dataclass(frozen=True)
class LogitNormalisation(Defence):
    r"""Scale the logits of every record to the same length, so that only their direction is released.

    Formula: output(z) = scale (z - mean z) / ||z - mean z||_2; equal logits stay equal
    Source:  Wei et al. 2022, arXiv 2205.09310, who train with it at temperature .04: a scale of 25
    Differs: an output transform, after training; the mean is subtracted, because a constant changes no output
    Limits:  label-only attacks are untouched; the direction differs between members and non-members too
    """

    name: ClassVar[str] = "logit_normalisation"
    source: ClassVar[str] = "Wei et al. 2022, arXiv 2205.09310"
    changes_output: ClassVar[bool] = True

    scale: float = 25.0  # norm of the released logits

    def __post_init__(self) -> None:
        if not (self.scale > 0 and np.isfinite(self.scale)):
            raise InputError(f"scale must be positive, got {self.scale}")

    def output(self, logits: Array) -> Array:
        z = centred(logits)
        length = norm(z, 2)
        return self.scale * z / np.where(length > 0, length, 1.0)
