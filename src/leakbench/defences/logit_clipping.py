from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.errors import InputError
from ..signals.types import Array
from ._centred import centred, norm
from .base import Defence


@dataclass(frozen=True)
class LogitClipping(Defence):
    r"""Shorten logits that are longer than `tau`, which limits the confidence of outputs.

    Formula: output(z) = z min(1, tau / ||z||_p) of z without its mean
    Source:  Wei et al. 2023, arXiv 2212.04055, who train with it and tune tau for each data set
    Differs: an output transform, after training; the mean is subtracted, because a constant changes no output
    Limits:  label-only attacks do not change; logits shorter than tau are released as they are
    """

    name: ClassVar[str] = "logit_clipping"
    source: ClassVar[str] = "Wei et al. 2023, arXiv 2212.04055"
    changes_output: ClassVar[bool] = True

    tau: float = 5.0  # largest norm of the logits
    p: float = 2.0  # order of the norm

    def __post_init__(self) -> None:
        if not (self.tau > 0 and self.p >= 1):
            raise InputError(f"tau must be positive and p at least 1, got {self.tau} and {self.p}")

    def output(self, logits: Array) -> Array:
        z = centred(logits)
        return z * (self.tau / np.maximum(norm(z, self.p), self.tau))
