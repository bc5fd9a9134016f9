from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from ..core.errors import InputError, unknown
from ..core.seeds import stream
from ..signals.types import Array
from . import _series as series
from ._centred import centred
from ._simplex import log_distribution, probabilities
from .base import Defence

Kind = Literal["dmd", "koopman", "emd", "random_fourier", "polynomial", "taylor"]

ROWS = 2048  # outputs approximated at once: intermediate arrays are about 100 times as large


@dataclass(frozen=True)
class OutputApproximation(Defence):
    r"""Release an approximation of the output by a few modes, which loses details that distinguish members.

    Formula: f = softmax(z) is taken as a series over the classes and upsampled by a cubic spline to three samples a
             class; the approximation is read at the classes, negative values become 0, and the rest is normalised.
             dmd: linear dynamics of three delays, `rank` modes (Schmid 2010);
             koopman: the same of the observables exp(-(u - i)^2 / 2), i = 0..10 (extended DMD, Williams et al. 2015);
             `random_fourier`: the same of 3 random Fourier features of the kernel exp(-gamma d^2), drawn from `seed`;
             emd: the first intrinsic mode (Huang et al. 1998);
             polynomial: the least-squares polynomial of `degree`;
             taylor: no series, but softmax(z / temperature) to first order around 0,
             (1 + (z - mean z) / temperature) / C
    Source:  the study entropic_MIA_defense, variants M-1 to M-5 and M-18
    Differs: each sample is predicted from the one before (the study leaves open how one output is a trajectory);
             taylor expands the network's own softmax, where the study's network had applied one already
    Limits:  a fixed transform, which shadow models share. taylor is one-to-one and is undone; its probabilities
             are equal to some 1e-4. The others change predictions
    """

    name: ClassVar[str] = "output_approximation"
    source: ClassVar[str] = "Schmid 2010; Williams et al. 2015; Huang et al. 1998; study entropic_MIA_defense"
    keeps_argmax: ClassVar[bool] = False
    changes_output: ClassVar[bool] = True
    cached_per_model: ClassVar[bool] = True

    kind: Kind = "dmd"  # the approximation
    rank: int = 2  # dmd, koopman, random_fourier
    degree: int = 6  # polynomial
    gamma: float = 0.6  # random_fourier
    seed: int = 0  # random_fourier
    temperature: float = 1e4  # taylor

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise unknown("kind of approximation:", self.kind, get_args(Kind))
        if self.rank < 1 or self.degree < 0:
            raise InputError(
                f"rank must be at least 1 and degree at least 0, got {self.rank} and {self.degree}"
            )
        if not (self.gamma > 0 and self.temperature > 0):
            raise InputError(
                f"gamma and temperature must be positive, got {self.gamma} and {self.temperature}"
            )

    def output(self, logits: Array) -> Array:
        if self.kind == "taylor":
            return log_distribution((1.0 + centred(logits) / self.temperature) / logits.shape[-1])
        f = probabilities(logits).reshape(-1, logits.shape[-1])
        parts = [self._approximated(f[start : start + ROWS]) for start in range(0, len(f), ROWS)]
        return log_distribution(np.concatenate(parts)).reshape(logits.shape)

    def inverse(self, released: Array) -> Array:
        if self.kind != "taylor":
            return released
        return np.asarray(self.temperature * (released.shape[-1] * probabilities(released) - 1.0))

    def _approximated(self, f: Array) -> Array:
        """Distributions [B, C] to their approximations [B, C], which may leave the simplex."""
        classes = f.shape[-1]
        if self.kind == "polynomial":
            return f @ series.polynomial_matrix(classes, self.degree).T
        u = f @ series.spline_matrix(classes).T
        approximate: dict[str, Callable[[], Array]] = {
            "dmd": lambda: series.one_step_ahead(u, series.delays(u), self.rank),
            "koopman": lambda: series.one_step_ahead(u, series.bumps(u), self.rank),
            "random_fourier": lambda: series.one_step_ahead(u, self._fourier(u), self.rank),
            "emd": lambda: series.first_mode(u),
        }
        return approximate[self.kind]()[:, :: series.UPSAMPLING]

    def _fourier(self, u: Array) -> Array:
        rng = stream(self.seed, self.name, "random Fourier features")
        return series.fourier(
            u, rng.normal(0.0, np.sqrt(2.0 * self.gamma), 3), rng.uniform(0.0, 2 * np.pi, 3)
        )
