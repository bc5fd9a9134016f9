"""An attacker that learns from the shadow models: each of them plays the target against the rest.

Left out for a pseudo-target are the target and its partner, as for the target itself, and its own partner.
"""

from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from ..types import Array, Shadows, Target
from .base import Attack, ShadowNeed, balanced


class PseudoTargetAttack(Attack):
    """A classifier of features of (record, model) pairs, fitted on the pseudo-targets and applied to the target.

    What is learned is how to weigh the features, which are the same for a pseudo-target and for the target: the model's
    predictions on a record, and those of the models that trained on it and of those that did not.
    """

    trained: ClassVar[bool] = True
    imports: ClassVar[str | None] = "sklearn.ensemble"
    least_out: ClassVar[int] = 2  # with a single pair left, a pseudo-target would have no shadow models
    max_examples: int  # pairs of a record and a pseudo-target that fit the classifier, at most

    @property
    def shadows(self) -> ShadowNeed:
        """Both."""
        return "in+out"

    @property
    def decision(self) -> float | None:
        """The examples are balanced, so even odds are the boundary."""
        return 0.0

    def features(self, target: Target, shadows: Shadows) -> Array:
        """Features [N, D] of a model's predictions beside those of the shadow models; NaN where there are none."""
        raise NotImplementedError

    def classifier(self, seed: int) -> Any:
        """The scikit-learn classifier, not yet fitted; it must take NaN and have a `decision_function`."""
        raise NotImplementedError

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The log-odds of membership [N]."""
        assert shadows is not None
        members = shadows.members
        chosen = balanced(members, shadows.audited, self.max_examples, rng)
        features = [
            self.features(shadows.models.target(int(j)), shadows.attacking(int(j)))[mask]
            for j, mask in zip(shadows.indices, chosen, strict=True)
        ]
        model = self.classifier(int(rng.integers(2**31)))
        with threadpool_limits(
            1, user_api="openmp"
        ):  # where cores are busy, its threads wait for one another
            model.fit(np.concatenate(features), members[chosen])
            return np.asarray(model.decision_function(self.features(target, shadows)))
