from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..core.errors import InputError
from ..signals.models import Shadows, Target
from ..signals.types import Array
from ._neighbours import Neighbours
from ._references import References
from ._shadow import log_student
from .base import Attack, ShadowNeed
from .lira import VARIANCE_FLOOR, Lira, log_normal


@dataclass(frozen=True)
class Pmia(Attack):
    r"""Is the confidence on x more typical of models that saw records like x, or of models that did not see x?

    For an attacker without shadow models that trained on x: the IN distribution is estimated on other records, which
    the shadow models did train on.

    Formula: with phi = log p - log(1 - p),  s(x) = log N(phi; m_P, v_P) - log f_out(phi), member where s >= 0,
             m_P, v_P of the single values phi of the shadow models' members among the proxies P of x, without x:
             "all" records, those of its "class", or the `neighbours` "nearest" of its class by mean OUT phi;
             f_out = Student's t of the n OUT models with location m, scale^2 = v (1 + 1 / n) and k + n - 1 degrees of
             freedom, v LiRA's shrunken variance with k = `prior_models`.
    Shapes:  logodds [M, V, N], members [M, N], labels [N] -> [N]; the views' log densities are added
    Source:  PMIA, arXiv 2507.21412
    Differs: "nearest" is by the mean over OUT models, as saved outputs hold no embedding; means in place of medians;
             Student's t in place of the normal for the few OUT models.
    """

    name: ClassVar[str] = "pmia"
    source: ClassVar[str] = "PMIA, arXiv 2507.21412"
    least_out: ClassVar[int] = 2
    proxies: Literal["all", "class", "nearest"] = "nearest"  # the records that stand in for x as members
    neighbours: int = 30  # proxies of each record, with "nearest"
    prior_models: float = 8.0  # k, shadow models that the prior of the variance counts as

    def __post_init__(self) -> None:
        Lira(prior_models=self.prior_models)  # raises if it is none
        if self.neighbours < 2:
            raise InputError(f"neighbours must be at least 2, got {self.neighbours}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic that is modelled."""
        return ("logodds",)

    @property
    def shadows(self) -> ShadowNeed:
        """OUT models; that they trained on other records is the rule."""
        return "out"

    @property
    def decision(self) -> float | None:
        """Equal likelihoods."""
        return 0.0

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Log likelihood ratio [N]."""
        assert shadows is not None
        phi = target.statistic("logodds")  # [V, N]
        inside, outside = References.of(shadows, rng).moments("logodds")
        labels = None if self.proxies == "all" else target.labels
        reach = self.neighbours // 2 if self.proxies == "nearest" else None
        count, mean, variance = Neighbours(outside, labels, reach).moments(inside)
        if not (count > 1).any():
            raise InputError(
                "pmia must have shadow models that trained on some of the records, got none; use lira_offline"
            )
        few, k = count < 2, self.prior_models
        mean[:, few], variance[few] = mean[:, ~few].mean(axis=1, keepdims=True), variance[~few].mean()
        v_out = Lira(prior_models=k).variance_of(outside, shadows.indices.size)
        n = np.maximum(outside.n, 1)
        log_f_out = log_student(phi, k + n - 1, outside.mean, v_out * (1 + 1 / n))
        constant = len(phi) * np.log(2 * np.pi) / 2  # which log_normal leaves out
        log_f_in = log_normal(phi, mean, np.maximum(variance, VARIANCE_FLOOR)) - constant
        return np.asarray(log_f_in - log_f_out)
