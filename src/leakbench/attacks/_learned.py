"""What the attacks that fit a classifier share: features, standardisation, the fit."""

from typing import Any

import numpy as np

from ..errors import InputError
from ..signals.statistics import LOG_FLOOR, log_softmax
from ..types import Array, Bools, Target
from .base import Scorer, TrainedAttack


class LearnedAttack(TrainedAttack):
    """A scikit-learn classifier tells members' answers from others'; the score is its probability.

    Features: log f_c for every class where there are logits, and the loss; both cut at 69 nats (a probability
    of 1e-30), averaged over views, and standardised by the examples of the fit.
    """

    def __post_init__(self) -> None:
        for name, value in self.parameters().items():
            if not np.all(np.asarray(value) > 0):
                raise InputError(f"{name} must be positive, got {value}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The loss; the logits are read where they are."""
        return ("loss",)

    @property
    def decision(self) -> float | None:
        """The examples are balanced, so a probability of one half is the boundary."""
        return 0.5

    def features(self, target: Target) -> Array:
        """[N, C + 1] from logits, [N, 1] from losses alone."""
        loss = np.minimum(target.statistic("loss"), -LOG_FLOOR).mean(axis=0)[:, None]
        if not target.signals.offers("logits"):
            return np.asarray(loss)
        return np.hstack([np.maximum(log_softmax(target.logits), LOG_FLOOR).mean(axis=0), loss])

    def classifier(self, seed: int) -> Any:
        """The scikit-learn classifier, not yet fitted."""
        raise NotImplementedError

    def fitted(self, features: Array, members: Bools, seed: int) -> Any:
        """The classifier fitted on standardised features."""
        return self.classifier(seed).fit(features, members)

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """The classifier's probability of membership."""
        mean, sd = features.mean(axis=0), features.std(axis=0)
        sd = np.where(sd > 1e-9, sd, 1.0)  # a constant feature stays constant
        model = self.fitted((features - mean) / sd, members, int(rng.integers(2**31)))

        def scorer(features: Array) -> Array:
            return np.asarray(model.predict_proba((features - mean) / sd)[:, 1])

        return scorer
