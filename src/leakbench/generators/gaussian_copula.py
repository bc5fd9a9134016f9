from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from ..core.errors import InputError
from ._classes import ClassSampler, per_class
from .base import Generator, Labels, Records, Sampler


@dataclass(frozen=True)
class GaussianCopula(Generator):
    r"""Keep every column's distribution within a class, and join the columns by a Gaussian correlation.

    Formula: z_ij = Phi^-1((rank_ij - 1/2) / n), ties at their middle rank, each column standardised;
             g ~ N(0, (1 - shrinkage) Z^T Z / n + shrinkage I);  a new x_j = F_j^-1(Phi(g_j)), F_j the column's
             empirical distribution
    Shapes:  table of one class [n, D] -> [m, D];  Z [n, D]
    Source:  Nelsen 2006, "An introduction to copulas", section 2; for tables: Patki, Wedge, Veeramachaneni 2016
    Differs: g = sqrt(1 - shrinkage) e R / sqrt(n) + sqrt(shrinkage) e', with Z = QR and standard normal e, e': the
             same distribution without a D x D matrix where n < D (30 classes of 446 bits: .05 s, where statsmodels'
             GaussianCopula takes 1.5 s).
             Ledoit and Wolf's shrinkage, .93 on Location-30, leaves little but the margins; .1 serves better.
    Limits:  every value is one that some record of the class has in that column; columns of few values come
             out less correlated than they are; a class of one record is copied
    """

    name: ClassVar[str] = "gaussian_copula"
    source: ClassVar[str] = "Patki, Wedge, Veeramachaneni 2016, The Synthetic Data Vault, DSAA"
    images: ClassVar[bool] = False
    shrinkage: float = 0.1  # weight of the identity in the correlation

    def __post_init__(self) -> None:
        if not 0 < self.shrinkage <= 1:
            raise InputError(f"shrinkage must be above 0 and at most 1, got {self.shrinkage}")

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        return per_class(self._fit_class, x, y, len(classes))

    def _fit_class(self, x: Records) -> ClassSampler:
        n, columns = x.shape
        scores = ndtri((rankdata(x, axis=0) - 0.5) / n)
        scores -= scores.mean(axis=0)
        scores /= np.maximum(scores.std(axis=0), 1e-9)  # a constant column stays at 0
        ordered, factor = np.sort(x, axis=0), np.linalg.qr(scores / np.sqrt(n), mode="r")

        def sample(m: int, rng: np.random.Generator) -> Records:
            joint = rng.standard_normal((m, len(factor))) @ factor
            own = rng.standard_normal((m, columns))
            u = ndtr(np.sqrt(1 - self.shrinkage) * joint + np.sqrt(self.shrinkage) * own)  # [m, D]
            return np.take_along_axis(ordered, np.minimum((u * n).astype(np.intp), n - 1), axis=0)

        return sample
