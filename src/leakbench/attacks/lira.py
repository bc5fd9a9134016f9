from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import log_ndtr

from ..core.errors import InputError
from ..signals.models import Moments, Shadows, Target
from ..signals.types import Array
from ._references import References
from ._shadow import inside_and_outside, mean_inside
from ._statistic import sign
from .base import Attack, ShadowNeed

ENOUGH = 64  # shadow models from which "auto" trusts each record's own variance (the paper's section VI-C)
VARIANCE_FLOOR = 1e-6  # sd >= 1e-3 nats: identical outputs of shadow models are no certainty


@dataclass(frozen=True)
class Lira(Attack):
    r"""Is the confidence on x more typical of models that saw x, or of models that did not?

    Formula: with phi = log p - log(1 - p), summed over views,
             online   s(x) = log N(phi; mu_in, v_in) - log N(phi; mu_out, v_out), member where s >= 0
             offline  s(x) = log Pr[Z <= phi],  Z ~ N(mu_out, v_out)
             v = (k v_global + sum_m (phi_m - mu)^2) / (k + n - 1),  v_global = the mean residual over all
             records, k = 0 for "example", infinity for "global", `prior_models` for "shrunken" (the posterior
             of an inverse-gamma prior); "auto" = global below 64 shadow models, else example, as in the paper.
             sd >= 1e-3 nats.
    Shapes:  logodds [M, V, N], members [M, N] -> [N];  mu [V, N], v [N] (one variance for all views:
             spherical)
    Source:  Carlini et al. 2022, sections V and VI, arXiv 2112.03570; shrinkage as in BaVarIA, arXiv
             2603.11799
    Differs: v_out comes from the OUT models and v_global is residual (the authors' script takes it from the
             IN models, and from all entries at once); means, not medians; offline is one-sided, as the
             paper's text and unlike its script. A record without an IN model takes mu_in = mu_out + the mean
             shift of the other records; with fewer than two models of a side it takes v_global.
             Where memberships depend on each other without being pairs, a record is compared with as many IN as OUT
             models, if it can keep two of each (`References`): else their number tells who is a member.
    """

    name: ClassVar[str] = "lira"
    source: ClassVar[str] = "Carlini et al. 2022, arXiv 2112.03570"
    version: ClassVar[int] = 5
    variants: ClassVar[dict[str, dict[str, Any]]] = {"lira_offline": {"online": False}}
    least_out: ClassVar[int] = 2
    online: bool = True  # whether IN models are used; without: the one-sided offline form
    variance: Literal["auto", "example", "global", "shrunken"] = "shrunken"  # how v is estimated; see Formula
    statistic: Literal["logodds", "hinge"] = "logodds"  # the statistic phi
    prior_models: float = 8.0  # the prior of "shrunken" weighs as much as so many shadow models

    def __post_init__(self) -> None:
        if not 0 < self.prior_models < np.inf:
            raise InputError(f"prior_models must be a positive number, got {self.prior_models}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic that is modelled as normal."""
        return (self.statistic,)

    @property
    def shadows(self) -> ShadowNeed:
        """IN models too, if online."""
        return "in+out" if self.online else "out"

    @property
    def decision(self) -> float | None:
        """Equal likelihoods, if online."""
        return 0.0 if self.online else None

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Log likelihood ratio, or log probability of a lower phi [N]."""
        assert shadows is not None
        phi = target.statistic(self.statistic)  # [V, N]
        models = shadows.indices.size
        if not self.online:
            outside = shadows.moments(self.statistic, inside=False)
            sd_out = np.sqrt(self.variance_of(outside, models))
            return np.asarray(log_ndtr(sign(self.statistic) * (phi - outside.mean) / sd_out).sum(axis=0))
        references = References.of(shadows, rng)
        inside, outside = (
            references.moments(self.statistic)
            if references.enough
            else inside_and_outside(shadows, self.statistic)
        )
        v_out = self.variance_of(outside, models)
        v_in = self.variance_of(inside, models) if (inside.n > 1).any() else v_out
        return log_normal(phi, mean_inside(inside, outside), v_in) - log_normal(phi, outside.mean, v_out)

    def variance_of(self, moments: Moments, models: int) -> Array:
        """The variance v [N], one for all views."""
        kind = self.variance
        if kind == "auto":
            kind = "example" if models >= ENOUGH else "global"
        squares, freedom = moments.m2.mean(axis=0), np.maximum(moments.n - 1, 0)
        if not freedom.any():
            raise InputError(
                "lira must have a record with two OUT shadow models, got none; add shadow models"
            )
        v_global = squares.sum() / freedom.sum()
        v = np.full(freedom.shape, v_global)
        if kind != "global":
            k = self.prior_models if kind == "shrunken" else 0.0
            np.divide(k * v_global + squares, k + freedom, out=v, where=k + freedom > 0)
        return np.asarray(np.maximum(v, VARIANCE_FLOOR))


def log_normal(x: Array, mean: Array, variance: Array) -> Array:
    """log N(x; mean, variance) without the constant, summed over views: [V, N] -> [N]."""
    return np.asarray(-0.5 * ((x - mean) ** 2 / variance + np.log(variance)).sum(axis=0))
