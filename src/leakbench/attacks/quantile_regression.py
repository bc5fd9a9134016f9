from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from ..core.errors import InputError
from ..signals.models import Target
from ..signals.types import Array
from ._statistic import signal
from .base import NonMemberAttack

LEAST_VARIANCE = 0.01  # of that of all non-members


@dataclass(frozen=True)
class QuantileRegression(NonMemberAttack):
    r"""Is the confidence on x higher than on non-members like x?

    Formula: s(x) = (phi - mu(x, y)) / sigma(x, y);  mu and sigma^2 = mean and variance of phi among the non-members in
             the leaf of (x, y), averaged over extremely randomised trees that are fitted to phi and phi^2 at once
             with `quantile` = a: s(x) = phi - q_a(x, y), q_a the a-quantile by boosted trees with the pinball loss
    Shapes:  logodds [V, N] (mean over views), features [N, D], labels [N] -> [N]
    Source:  Bertran et al. 2023, arXiv 2307.03694; trees: Geurts et al. 2006, doi 10.1007/s10994-006-6226-1
    Differs: one fit serves all FPRs, where a quantile serves one. Trees on up to 32 principal components in place of a
             neural network, which the authors train on images. The fit sees the population, if it has features; else
             each half of the records is scored by a fit to the non-members of the other half. So no non-member that
             is measured has a part in the fit, as it has in SACRO-ML.
    """

    name: ClassVar[str] = "quantile_regression"
    source: ClassVar[str] = "Bertran et al. 2023, arXiv 2307.03694"
    statistic: Literal["logodds", "hinge", "loss"] = "logodds"  # the statistic phi
    quantile: float | None = None  # a non-member quantile as threshold; None: the normal score
    trees: int = 100  # trees of the forest
    leaf: int = 5  # non-members that a leaf must hold

    def __post_init__(self) -> None:
        if self.quantile is not None and not 0 < self.quantile < 1:
            raise InputError(f"quantile must lie between 0 and 1, got {self.quantile}")
        for name in ("trees", "leaf"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistic, and the features of the records."""
        return (self.statistic, "features")

    def learned(self, non_members: Target, rng: np.random.Generator) -> Callable[[Target], Array]:
        """Conditional mean and scale, or a conditional quantile, fitted to non-members."""
        phi = self._phi(non_members)
        centre, spread = phi.mean(), phi.std() or 1.0
        z = (phi - centre) / spread
        classes = 0 if non_members.labels is None else int(non_members.labels.max()) + 1
        model = self._model(int(rng.integers(2**31)))
        with threadpool_limits(
            1, user_api="openmp"
        ):  # where cores are busy, its threads wait for one another
            model.fit(_known(non_members, classes), z if self.quantile else np.column_stack([z, z**2]))

        def score(target: Target) -> Array:
            own = (self._phi(target) - centre) / spread
            with threadpool_limits(1, user_api="openmp"):
                found = model.predict(_known(target, classes))
            if self.quantile:
                return np.asarray(own - found)
            mean, square = found.T
            return np.asarray((own - mean) / np.sqrt(np.maximum(square - mean**2, LEAST_VARIANCE)))

        return score

    def _phi(self, target: Target) -> Array:
        return np.asarray(signal(target, self.statistic).mean(axis=0))

    def _model(self, seed: int) -> Any:
        from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor

        if self.quantile is None:
            return ExtraTreesRegressor(
                self.trees, min_samples_leaf=self.leaf, max_features=1 / 3, random_state=seed
            )
        return HistGradientBoostingRegressor(
            loss="quantile",
            quantile=self.quantile,
            max_iter=self.trees,
            min_samples_leaf=self.leaf,
            early_stopping=False,
            random_state=seed,
        )


def _known(target: Target, classes: int) -> Array:
    """Features, and a column for each class that the fit knows [N, D + C]."""
    if target.labels is None:
        return target.features
    return np.column_stack([target.features, target.labels[:, None] == np.arange(classes)])
