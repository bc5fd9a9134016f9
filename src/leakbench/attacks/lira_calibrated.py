from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy.special import stdtr

from ..signals.models import Moments, Shadows, Target
from ..signals.types import Array
from ._references import References
from ._shadow import mean_inside
from .base import InOutAttack
from .lira import Lira

LEVEL = 0.05  # of the p-value from which the method calls a record a member
TINY = 1e-300


@dataclass(frozen=True)
class LiraCalibrated(InOutAttack):
    r"""How often would a model that did not see x have a likelihood ratio as high, for this very record?

    Formula: s(x) = -log p(x),  p(x) = Pr[LR(T) >= LR(phi)],  LR(z) = log N(z; mu_in, v_in) - log N(z; mu_out, v_out),
             phi = log p - log(1 - p), mean over views;  T = mu_out + (v_out (1 + 1 / n))^(1/2) t,  t ~ Student's t with
             k + n - 1 degrees of freedom, n OUT models of x, k = `prior_models`;  v shrunken as in `lira`.
             LR is quadratic in z, so p is the probability between, or beyond, its two roots. Member where p <= 0.05
    Shapes:  logodds [M, V, N], members [M, N] -> [N]
    Source:  Carlini et al. 2022, arXiv 2112.03570; that a threshold for all records holds the FPR for none of them:
             arXiv 2605.25819
    Differs: a p-value for each record by its own OUT models, so that p <= a has an FPR of a for every record.
             The target is no reference of its own, and its partner neither. It finds fewer members than `lira` at the
             same FPR, as it cannot spend false positives on the records where they buy most.
    """

    name: ClassVar[str] = "lira_calibrated"
    source: ClassVar[str] = "Carlini et al. 2022, arXiv 2112.03570; arXiv 2605.25819"
    p_values: ClassVar[bool] = True
    least_out: ClassVar[int] = 2
    statistic: Literal["logodds", "hinge"] = "logodds"  # the statistic phi
    prior_models: float = 8.0  # k, shadow models that the prior of the variance counts as

    def __post_init__(self) -> None:
        _ = self._lira  # raises for a prior that is none

    @property
    def _lira(self) -> Lira:
        return Lira(variance="shrunken", statistic=self.statistic, prior_models=self.prior_models)

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic that is modelled as normal."""
        return (self.statistic,)

    @property
    def decision(self) -> float | None:
        """A test at the usual level."""
        return float(-np.log(LEVEL))

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """-log p [N]."""
        assert shadows is not None
        phi, inside, outside = self._seen(target, shadows, rng)
        models = shadows.indices.size
        v_out = self._lira.variance_of(outside, models)
        v_in = self._lira.variance_of(inside, models) if (inside.n > 1).any() else v_out
        mu_in, mu_out = mean_inside(inside, outside)[0], outside.mean[0]
        scale = np.sqrt(v_out * (1 + 1 / np.maximum(outside.n, 1)))
        freedom = self.prior_models + np.maximum(outside.n - 1, 0)
        other = _other_root(phi, mu_in, v_in, mu_out, v_out)
        low, high = ((end - mu_out) / scale for end in (np.fmin(phi, other), np.fmax(phi, other)))
        p = np.where(v_in >= v_out, _beyond(freedom, low, high), _between(freedom, low, high))
        p = np.where((v_in == v_out) & (mu_in == mu_out), 1.0, p)  # the ratio is the same wherever phi lies
        return np.asarray(-np.log(np.maximum(p, TINY)))

    def _seen(
        self, target: Target, shadows: Shadows, rng: np.random.Generator
    ) -> tuple[Array, Moments, Moments]:
        """phi [N] of the target, and the moments over the IN and over the OUT models, means over views."""
        references, members = References.of(shadows, rng), shadows.members
        kept = references.kept if references.enough else np.ones_like(members)
        values = [each.mean(axis=0, keepdims=True) for each in shadows.statistic(self.statistic)]
        sides = (Moments.over(values, side & kept) for side in (members, ~members))
        return (target.statistic(self.statistic).mean(axis=0), *sides)


def _other_root(phi: Array, mu_in: Array, v_in: Array, mu_out: Array, v_out: Array) -> Array:
    """Where else the likelihood ratio is as high as at phi; infinite with equal variances, on the OUT side."""
    square, linear = (1 / v_out - 1 / v_in) / 2, mu_in / v_in - mu_out / v_out
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(square == 0, -np.copysign(np.inf, linear), -linear / square - phi)


def _beyond(freedom: Array, low: Array, high: Array) -> Array:
    """Pr[t <= low or t >= high]."""
    return np.asarray(stdtr(freedom, low) + stdtr(freedom, -high))


def _between(freedom: Array, low: Array, high: Array) -> Array:
    """Pr[low <= t <= high], exact in either tail."""
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    return np.asarray(stdtr(freedom, high) - stdtr(freedom, low))
