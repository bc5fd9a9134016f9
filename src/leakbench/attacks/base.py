"""What an attack is: a score for every record, higher = more likely a member."""

from collections.abc import Callable
from typing import ClassVar, Literal, Protocol

import numpy as np

from ..core.registry import Plugin
from ..signals.models import Shadows, Target
from ..signals.types import Array, Bools

ShadowNeed = Literal["none", "out", "in+out"]
Access = Literal["labels", "scores", "white_box"]  # predicted classes; released values; the parameters


class Attack(Plugin):
    """Scores the records of one target.

    `needs` names the statistics that it reads ("labels" if it reads the labels beside them), `shadows` the
    shadow models that it cannot do without: "none", "out" (models that did not train on the record) or
    "in+out". Both may depend on the parameters.
    """

    population: ClassVar[bool] = False  # whether it cannot do without records that no model trained on
    least_out: ClassVar[int] = 1  # OUT models that some record must have, if it needs shadow models
    p_values: ClassVar[bool] = (
        False  # whether the score is -log of a p-value under the record's OUT distribution
    )
    trained: ClassVar[bool] = False  # whether each target has an attacker that was fitted for it
    access: ClassVar[Access] = "scores"  # what the attacker must see of the target
    imports: ClassVar[str | None] = (
        None  # the module that it imports to be fitted; torch is not always installed
    )
    passes: ClassVar[str | None] = None  # the parameter with which the time of a fit grows in proportion

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

    @property
    def decision(self) -> float | None:
        """The threshold that the method itself prescribes, if it does: member where score >= decision."""
        return None

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Scores [N], finite wherever a record has the shadow models that the attack needs.

        `shadows` is None only where the attack needs none.
        """
        raise NotImplementedError


class InOutAttack(Attack):
    """Compares a record with itself in models that trained on it and in models that did not; 0 is the boundary."""

    @property
    def shadows(self) -> ShadowNeed:
        """IN and OUT models."""
        return "in+out"

    @property
    def decision(self) -> float | None:
        """As near to the IN as to the OUT models."""
        return 0.0


class NonMemberAttack(Attack):
    """Learns what the target predicts on records that are known not to be its members.

    These are the population, where it has all that the attack reads. Else they are the non-members of one half of the
    target's records, and the other half is scored, both ways round (see `leakbench.evaluation.scoring`). So no
    non-member is scored by a fit in which it had a part, and no member had a part in any.
    """

    imports: ClassVar[str | None] = "sklearn.ensemble"

    def learned(self, non_members: Target, rng: np.random.Generator) -> Callable[[Target], Array]:
        """What scores a target's records [N], learned from records that are no members of it."""
        raise NotImplementedError

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Learned from the population."""
        assert target.population is not None, "without a population the harness takes other non-members"
        return self.learned(target.population, rng)(target)


class Scorer(Protocol):
    """A fitted attacker."""

    def __call__(self, features: Array) -> Array:
        """Scores [n] of features [n, D]."""
        ...


class TrainedAttack(Attack):
    """An attack that learns from examples whose membership is known.

    The examples come from shadow models where there are any. Where there are none, they are one half of the
    target's own records, and only the other half is scored (`leakbench.evaluation.scoring`): a single attacker, fitted
    on nothing that it scores, needs no pooling of scores across folds, which turns noise into leakage.

    Each target has an attacker of its own. Where a fit is expensive, `in_folds` halves the models: the attacker of one
    half's targets is fitted on the other half.
    """

    trained: ClassVar[bool] = True
    in_folds: ClassVar[bool] = False
    max_examples: int | None = None  # at most so many examples, balanced, fit the attacker; None: all

    def features(self, target: Target) -> Array:
        """Features [N, D] of a model's outputs."""
        raise NotImplementedError

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """A scorer fitted on features [n, D] and their membership [n]."""
        raise NotImplementedError

    def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
        """Fitted on the shadow models' records, scored on the target's."""
        assert shadows is not None, "without shadow models the harness fits on a held-out half"
        return self.learned(shadows, rng)(self.features(target))

    def learned(self, shadows: Shadows, rng: np.random.Generator) -> Scorer:
        """The attacker fitted on the shadow models' records."""
        members = shadows.members
        chosen = self.draw(members, shadows.audited, rng)
        models = [shadows.models.target(int(j)) for j in shadows.indices]
        features = [self._features_at(model, mask) for model, mask in zip(models, chosen, strict=True)]
        return self.fit(np.concatenate(features), members[chosen], rng)

    def _features_at(self, model: Target, mask: Bools) -> Array:
        if self.max_examples is None:
            return self.features(model)[mask]  # from statistics that are kept, so free for the next target
        return self.features(model.at(np.flatnonzero(mask)))

    def draw(self, members: Bools, usable: Bools, rng: np.random.Generator) -> Bools:
        """Which of the `usable` examples fit the attacker: all, or as many members as non-members."""
        return usable if self.max_examples is None else balanced(members, usable, self.max_examples, rng)


def balanced(members: Bools, usable: Bools, most: int, rng: np.random.Generator) -> Bools:
    """As many members as non-members of the `usable` examples, at most `most` in all."""
    sides = [np.flatnonzero(usable & side) for side in (members, ~members)]
    size = min(most // 2, *(side.size for side in sides))
    chosen = np.zeros(members.shape, dtype=bool)
    for side in sides:
        chosen.flat[rng.choice(side, size, replace=False, shuffle=False)] = True
    return chosen
