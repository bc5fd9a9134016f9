from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..signals.types import Array
from ._noise import Noise


@dataclass(frozen=True)
class GaussianNoise(Noise):
    r"""Add Gaussian noise to every released probability.

    Formula: output(z) = log of max(0, softmax(z) + n), normalised, n_c ~ N(0, scale^2) independent;
             not `memoised`: the attacker averages the probabilities of `queries` queries
    Source:  Dwork, Roth 2014, section 3 (the mechanism); Jia et al. 2019, arXiv 1909.10594, on noise that is drawn
             once for each record
    Limits:  no proof of privacy: `scale` is not calibrated to what one member changes. Fresh noise averages out;
             shadow models with the same noise show how likely each released output is
    """

    name: ClassVar[str] = "gaussian_noise"
    source: ClassVar[str] = "Dwork, Roth 2014, doi 10.1561/0400000042"

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.normal(0.0, self.scale, shape)
