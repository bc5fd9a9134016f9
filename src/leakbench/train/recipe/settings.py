"""The settings of a stage that trains: optimiser, schedule, augmentation, adversary, privacy (no torch here)."""

import math
from dataclasses import dataclass
from typing import Literal

from ...core.checks import known, within


@dataclass(frozen=True)
class Optimiser:
    """SGD with momentum, or Adam; `weight_decay` is L2 added to the gradient, as in torch."""

    name: Literal["sgd", "adam"] = "sgd"
    lr: float = 0.05
    momentum: float = 0.9  # SGD only
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        known(self, "optimiser")
        within("lr", self.lr, 0.0, 1e30, include_low=False)
        within("momentum", self.momentum, 0.0, 1.0)
        within("weight_decay", self.weight_decay, 0.0)


@dataclass(frozen=True)
class Schedule:
    """The learning rate: constant, cosine to zero, or times `factor` at milestones (fractions of epochs)."""

    name: Literal["constant", "cosine", "steps"] = "constant"
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        known(self, "schedule")
        for milestone in self.milestones:
            within("a milestone (a fraction of the epochs)", milestone, 0.0, 1.0, include_low=False)
        within("factor", self.factor, 0.0, include_low=False)

    def scale(self, epoch: int, epochs: int) -> float:
        """The factor of the learning rate in `epoch` = 0 .. epochs - 1.

        >>> [Schedule("steps").scale(epoch, 4) for epoch in range(4)] == [1.0, 1.0, 0.1, 0.1 * 0.1]
        True
        """
        if self.name == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))
        if self.name == "steps":
            return self.factor ** sum(epoch >= milestone * epochs for milestone in self.milestones)
        return 1.0


@dataclass(frozen=True)
class Augment:
    """The augmentation of a batch: random shifts and flips of images, and mixup.

    Shifts are by up to `shift` pixels (edges padded with zeros), flips are horizontal. `mixup` a > 0 replaces
    each record and its target by share * own + (1 - share) * those of another of the batch; share is drawn for
    each batch from Beta(a, a).
    """

    shift: int = 0
    flip: bool = False
    mixup: float = 0.0

    def __post_init__(self) -> None:
        within("shift (pixels)", self.shift, 0)
        within("mixup (the parameter of a Beta distribution, 0 for none)", self.mixup, 0.0)

    @property
    def moves(self) -> bool:
        """Whether images are shifted or flipped."""
        return self.flip or self.shift > 0


@dataclass(frozen=True)
class Adversary:
    """A network that learns to separate members from reference records, and that the model is trained to fool.

    `weight` is the authors' lambda. Before each step of the model the adversary takes `steps` of its own, on a batch of
    members and one of `reference` records.
    """

    weight: float = 3.0
    steps: int = 1
    lr: float = 1e-3
    reference: Literal["public", "dev"] = "public"

    def __post_init__(self) -> None:
        within("the adversary's weight", self.weight, 0.0)
        within("the adversary's steps", self.steps, 1)
        within("the adversary's lr", self.lr, 0.0, include_low=False)


@dataclass(frozen=True)
class Privacy:
    """DP-SGD: every record's gradient clipped to the norm `clip`, then Gaussian noise of sd `noise * clip`."""

    noise: float = 1.0
    clip: float = 1.0
    delta: float = 1e-5

    def __post_init__(self) -> None:
        within("noise", self.noise, 0.0)
        within("clip", self.clip, 0.0, include_low=False)
        within("delta", self.delta, 0.0, 1.0, include_low=False)
