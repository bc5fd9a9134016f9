"""What an attack is: a score for every record, higher = more likely a member."""

from typing import ClassVar, Literal, Protocol

import numpy as np

from ..registry import Plugin
from ..types import Array, Bools, Shadows, Target

ShadowNeed = Literal["none", "out", "in+out"]


class Attack(Plugin):
    """Scores the records of one target.

    `needs` names the statistics that it reads, `shadows` the shadow models that it cannot do without: "none",
    "out" (models that did not train on the record) or "in+out". Both may depend on the parameters.
    """

    decision: ClassVar[float | None] = None  # the threshold that the method itself prescribes, if it does

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistics that the attack reads."""
        raise NotImplementedError

    @property
    def shadows(self) -> ShadowNeed:
        """The shadow models that the attack needs."""
        return "none"

    @property
    def uses_labels(self) -> bool:
        """Whether the attacker must know the records' labels."""
        return True

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Scores [N]. `shadows` is None only where the attack needs none."""
        raise NotImplementedError


class Scorer(Protocol):
    """A fitted attacker."""

    def __call__(self, features: Array) -> Array:
        """Scores [n] of features [n, D]."""
        ...


class TrainedAttack(Attack):
    """An attack that learns from examples whose membership is known.

    The examples come from shadow models where there are any. Where there are none, they are one half of the
    target's own records, and only the other half is scored (`leakbench.scoring`): a single attacker, fitted on
    nothing that it scores, needs no pooling of scores across folds, which turns noise into leakage.
    """

    def features(self, view: Target | Shadows) -> Array:
        """Features [..., N, D] of a target ([N, D]) or of shadow models ([S, N, D])."""
        raise NotImplementedError

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """A scorer fitted on features [n, D] and their membership [n]."""
        raise NotImplementedError

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Fitted on the shadow models' records, scored on the target's."""
        assert shadows is not None, "without shadow models the harness fits on a held-out half"
        audited = shadows.audited
        scorer = self.fit(self.features(shadows)[audited], shadows.members[audited], rng)
        return scorer(self.features(target))
