"""What the attacks that fit a classifier share: features, standardisation, the fit."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.checks import positive
from ..signals.models import Target
from ..signals.statistics import LOG_FLOOR, log_softmax
from ..signals.types import Array, Bools
from .base import Scorer, TrainedAttack

LOSS, MARGIN, RANK, LABEL = range(4)  # columns of the features; the sorted log-probabilities follow
BY_CLASS = [LOSS, MARGIN]  # columns of which the classifier also sees the difference from their class
LARGEST, BLOCKS = 16, 16  # log-probabilities that are features each; blocks of the rest whose means are
PRIOR = 20.0  # examples at the mean of all classes that are added to those of each class
LINEAR = 3.0  # standard deviations up to which features are left as they are, more or less
AT_ONCE = 2**22  # numbers that are sorted, or scored, at a time


class LearnedAttack(TrainedAttack):
    """A scikit-learn classifier tells members' predictions from others'; the score is its probability.

    Features: the loss, the margin on logits, the rank of the label and the log-probabilities from the largest to the
    smallest; loss and log-probabilities are cut at 69 nats (a probability of 1e-30), all are averaged over views. With
    more than LARGEST + BLOCKS classes the LARGEST first stand alone, and the rest as means over BLOCKS blocks. No
    feature depends on the number of a class. `_Standard` says how they are standardised, and adds loss and margin
    relative to their class.
    """

    def __post_init__(self) -> None:
        positive(self.parameters())

    @property
    def needs(self) -> tuple[str, ...]:
        """The loss; the logits are read where they are."""
        return ("loss",)

    @property
    def decision(self) -> float | None:
        """The examples are balanced, so a probability of one half is the boundary."""
        return 0.5

    def features(self, target: Target) -> Array:
        """[N, 4 + min(C, LARGEST + BLOCKS)] from logits, [N, 1] from losses alone."""
        if not target.signals.offers("logits"):
            return _loss(target)[:, None]
        parts = -(-target.n_records * target.n_classes // AT_ONCE)
        if parts == 1:
            return _of_logits(target)
        rows = np.array_split(np.arange(target.n_records), parts)
        return np.concatenate([_of_logits(target.at(part)) for part in rows])

    def classifier(self, seed: int) -> Any:
        """The scikit-learn classifier, not yet fitted."""
        raise NotImplementedError

    def fitted(self, features: Array, members: Bools, seed: int) -> Any:
        """The classifier fitted on standardised features."""
        return self.classifier(seed).fit(features, members)

    def fit(self, features: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """The classifier's probability of membership."""
        standard = _Standard.of(features)
        model = self.fitted(standard(features), members, int(rng.integers(2**31)))

        def scorer(features: Array) -> Array:
            parts = np.array_split(features, -(-features.size // AT_ONCE))
            return np.concatenate([model.predict_proba(standard(part))[:, 1] for part in parts])

        return scorer


@dataclass(frozen=True, eq=False)
class _Standard:
    r"""Features on one scale, and robust against outliers such as probabilities that were rounded to 0.

    Formula: t = (h - median) / spread,  spread = (the 95 % quantile - the 5 % quantile) / 3.29, which is the standard
             deviation of a normal variable;  t' = 3 asinh(t / 3);  for loss and margin also t' - offset_y,
             offset_c = sum_{i: y_i = c} (t'_i - mean t') / (n_c + 20)
             with all quantiles, means and sums over the examples of the fit.
    """

    median: Array  # [D]
    spread: Array  # [D]
    offset: Array  # [classes, 2]; empty without labels

    @classmethod
    def of(cls, features: Array) -> "_Standard":
        """As the formula says, from the features [n, D] of the examples."""
        low, median, high = np.quantile(features, [0.05, 0.5, 0.95], axis=0)
        sd = features.std(axis=0)
        spread = np.where(high - low > 1e-9, (high - low) / 3.29, np.where(sd > 1e-9, sd, 1.0))
        plain = cls(median, spread, np.zeros((0, len(BY_CLASS))))
        if features.shape[1] == 1:
            return plain
        values, labels = plain._scaled(features)[:, BY_CLASS], features[:, LABEL].astype(np.intp)
        above = values - values.mean(axis=0)
        sums = np.stack([np.bincount(labels, column) for column in above.T], axis=1)
        return cls(median, spread, sums / (np.bincount(labels)[:, None] + PRIOR))

    def __call__(self, features: Array) -> Array:
        """[n, D] to [n, D + 1]: without the label's number, with loss and margin relative to the label's class."""
        scaled = self._scaled(features)
        if not len(self.offset):
            return scaled
        labels = features[:, LABEL].astype(np.intp)
        known = (labels < len(self.offset))[:, None]
        offset = np.where(known, self.offset[np.minimum(labels, len(self.offset) - 1)], 0.0)
        return np.hstack([np.delete(scaled, LABEL, axis=1), scaled[:, BY_CLASS] - offset])

    def _scaled(self, features: Array) -> Array:
        return LINEAR * np.arcsinh((features - self.median) / self.spread / LINEAR)


def _loss(target: Target) -> Array:
    return np.asarray(np.minimum(target.statistic("loss"), -LOG_FLOOR).mean(axis=0))


def _of_logits(target: Target) -> Array:
    """Loss, margin, rank and number of the label, and the sorted log-probabilities; without labels 0 for the three."""
    log_f = np.maximum(log_softmax(target.logits), LOG_FLOOR)  # [V, N, C]
    of_label = np.zeros((target.n_records, 3))
    if target.labels is not None:
        own = np.take_along_axis(log_f, target.labels[None, :, None], axis=2)
        rank = ((log_f > own).sum(axis=2) + (log_f >= own).sum(axis=2) - 1) / 2  # of equal ones the middle
        of_label = np.stack(
            [target.statistic("hinge").mean(axis=0), rank.mean(axis=0), target.labels], axis=1
        )
    falling = np.sort(log_f, axis=2)[:, :, ::-1].mean(axis=0)
    return np.column_stack([_loss(target), of_label, _condensed(falling)])


def _condensed(falling: Array) -> Array:
    """[N, C] as it is, or with C > LARGEST + BLOCKS the first columns and the means of blocks of the others."""
    if falling.shape[1] <= LARGEST + BLOCKS:
        return falling
    blocks = np.array_split(falling[:, LARGEST:], BLOCKS, axis=1)
    return np.column_stack([falling[:, :LARGEST], *(block.mean(axis=1) for block in blocks)])
