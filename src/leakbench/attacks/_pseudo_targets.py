"""An attacker that learns from the shadow models: each of them plays the target against the rest.

Left out for a pseudo-target are the target and its partner, as for the target itself, and its own partner; see
`References` for designs in which that is not enough.
"""

from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from ..core.errors import InputError
from ..signals.models import Shadows, Target
from ..signals.types import Array, Bools
from ._references import References
from .base import InOutAttack, balanced


class PseudoTargetAttack(InOutAttack):
    """A classifier of features of (record, model) pairs, fitted on the pseudo-targets and applied to the target.

    What is learned is how to weigh the features, which are the same for a pseudo-target and for the target: the model's
    predictions on a record, and those of the models that trained on it and of those that did not.
    """

    trained: ClassVar[bool] = True
    imports: ClassVar[str | None] = "sklearn.ensemble"
    least_out: ClassVar[int] = 2  # with a single pair left, a pseudo-target would have no shadow models
    max_examples: int  # pairs of a record and a pseudo-target that fit the classifier, at most

    def features(self, target: Target, shadows: Shadows, inside: Bools, outside: Bools) -> Array:
        """Features [N, D] of a model's predictions beside those of the IN and of the OUT models [S, N] of a record.

        NaN where there are none. Their number must not enter.
        """
        raise NotImplementedError

    def classifier(self, seed: int) -> Any:
        """The scikit-learn classifier, not yet fitted; it must take NaN and have a `decision_function`."""
        raise NotImplementedError

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """The log-odds of membership [N]."""
        assert shadows is not None
        references, members = References.of(shadows, rng), shadows.members
        if not references.teach:
            raise InputError(
                f"{self.name} must have shadow models that can be attacked with the others, got "
                f"{len(members)} that cannot; add shadow models, or choose label_only_count"
            )
        chosen = balanced(members, references.examples, self.max_examples, rng)
        sides = members & references.kept, ~members & references.kept
        features = []
        for s in map(int, np.flatnonzero(chosen.any(axis=1))):
            others = ~references.left_out(s)
            pseudo_target = shadows.models.target(int(shadows.indices[s]))
            features.append(
                self.features(pseudo_target, shadows, *(side & others for side in sides))[chosen[s]]
            )
        model = self.classifier(int(rng.integers(2**31)))
        with threadpool_limits(
            1, user_api="openmp"
        ):  # where cores are busy, its threads wait for one another
            model.fit(np.concatenate(features), members[chosen])
            return np.asarray(model.decision_function(self.features(target, shadows, *sides)))
