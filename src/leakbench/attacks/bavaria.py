from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..core.errors import InputError
from ..signals.models import Moments, Shadows, Target
from ..signals.types import Array
from ._neighbours import Neighbours
from ._references import References
from ._shadow import log_student, mean_inside
from .base import InOutAttack
from .lira import VARIANCE_FLOOR


@dataclass(frozen=True)
class Bavaria(InOutAttack):
    r"""Is the confidence on x more typical of models that saw x, judged by few models and by records like x?

    Formula: with phi = log p - log(1 - p) and, for either side (IN, OUT) of x, n models with mean m and sum of squared
             deviations SS over them:  s(x) = log f_in(phi) - log f_out(phi), member where s >= 0,
             f = Student's t with k + n - 1 degrees of freedom,  v = (k v_N + SS) / (k + n - 1),  k = `prior_models`,
             OUT: location m, scale^2 = v (1 + 1 / n)
             IN:  location (q m_N + n m) / (q + n), scale^2 = v (1 + 1 / (q + n)),  q = v_N / (V_N - v_N).
             The neighbours N of x are the records of its class whose mean OUT phi is next to that of x, `neighbours` of
             them: v_N is the mean residual variance of a side over them, m_N and V_N mean and variance of their single
             IN values. So the prior is the distribution of phi for a model trained on a record as hard as x.
    Shapes:  logodds [M, V, N], members [M, N], labels [N] -> [N]; the views' log densities are added
    Source:  Student's t under a normal-inverse-gamma prior: BaVarIA, arXiv 2603.11799
    Differs: the prior is fitted to the records like x (empirical Bayes); the paper's hyper-parameters are not public.
    """

    name: ClassVar[str] = "bavaria"
    source: ClassVar[str] = "BaVarIA, arXiv 2603.11799"
    least_out: ClassVar[int] = 2
    prior_models: float = 8.0  # the prior of the variance weighs as much as so many shadow models
    neighbours: int = 60  # records of the class with the nearest mean OUT phi
    statistic: Literal["logodds", "hinge"] = "logodds"  # the statistic that is compared

    def __post_init__(self) -> None:
        if not 0 < self.prior_models < np.inf or self.neighbours < 2:
            raise InputError(
                f"prior_models must be a positive number and neighbours at least 2, got {self.prior_models} and "
                f"{self.neighbours}"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic that is modelled."""
        return (self.statistic,)

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Log likelihood ratio [N]."""
        assert shadows is not None
        phi = target.statistic(self.statistic)  # [V, N]
        inside, outside = References.of(shadows, rng).moments(self.statistic)
        near = Neighbours(outside, target.labels, self.neighbours // 2)
        local_in, local_out = _local_variance(inside, near), _local_variance(outside, near)
        count, mean, variance = near.moments(inside)
        mean = np.where(count > 0, mean, mean_inside(inside, outside))
        q = local_in / np.maximum(variance - local_in, VARIANCE_FLOOR)
        weight = np.where(count > 1, q, 1.0) + inside.n
        location = mean + inside.n / weight * np.where(inside.n > 0, inside.mean - mean, 0.0)
        log_f_in = self._log_density(phi, inside, local_in, location, weight)
        return log_f_in - self._log_density(phi, outside, local_out, outside.mean, np.maximum(outside.n, 1))

    def _log_density(
        self, phi: Array, moments: Moments, local: Array, location: Array, weight: Array
    ) -> Array:
        freedom = self.prior_models + np.maximum(moments.n - 1, 0)
        v = (self.prior_models * local + moments.m2.mean(axis=0)) / freedom
        return log_student(phi, freedom, location, np.maximum(v, VARIANCE_FLOOR) * (1 + 1 / weight))


def _local_variance(moments: Moments, near: Neighbours) -> Array:
    """The mean residual variance over the neighbours [N]; one degree of freedom is that of all records."""
    squares, freedom = moments.m2.mean(axis=0), np.maximum(moments.n - 1, 0)
    overall = squares.sum() / max(freedom.sum(), 1)
    return np.asarray((np.maximum(near.total(squares), 0.0) + overall) / (near.total(freedom) + 1))
