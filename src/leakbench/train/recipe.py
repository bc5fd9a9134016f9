"""A recipe: an architecture and an ordered list of stages, all plain data (no torch here)."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from ..errors import InputError, unknown


def _known_name(part: Any, kind: str) -> None:
    """Raise InputError, with the nearest name, unless `part.name` is one of those that its type lists."""
    names = get_args(get_type_hints(type(part))["name"])
    if part.name not in names:
        raise unknown(kind, part.name, names)


def _within(what: str, value: float, low: float, high: float = math.inf, include_low: bool = True) -> None:
    """Raise InputError unless low <= value < high (low < value with `include_low` off)."""
    if not (low <= value < high) or (value == low and not include_low):
        least = f"at least {low:g}" if include_low else f"above {low:g}"
        below = "" if high == math.inf else f" and below {high:g}"
        raise InputError(f"{what} must be {least}{below}, got {value}")


@dataclass(frozen=True)
class Optimiser:
    """SGD with momentum, or Adam; `weight_decay` is L2 added to the gradient, as in torch."""

    name: Literal["sgd", "adam"] = "sgd"
    lr: float = 0.05
    momentum: float = 0.9  # SGD only
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _known_name(self, "optimiser")
        _within("lr", self.lr, 0.0, include_low=False)
        _within("momentum", self.momentum, 0.0, 1.0)
        _within("weight_decay", self.weight_decay, 0.0)


@dataclass(frozen=True)
class Schedule:
    """The learning rate: constant, cosine to zero, or times `factor` at milestones (fractions of epochs)."""

    name: Literal["constant", "cosine", "steps"] = "constant"
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        _known_name(self, "schedule")
        for milestone in self.milestones:
            _within("a milestone (a fraction of the epochs)", milestone, 0.0, 1.0, include_low=False)
        _within("factor", self.factor, 0.0, include_low=False)

    def scale(self, epoch: int, epochs: int) -> float:
        """What the learning rate is multiplied with in `epoch` = 0 .. epochs - 1.

        >>> [Schedule("steps").scale(epoch, 4) for epoch in range(4)] == [1.0, 1.0, 0.1, 0.1 * 0.1]
        True
        """
        if self.name == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))
        if self.name == "steps":
            return self.factor ** sum(epoch >= milestone * epochs for milestone in self.milestones)
        return 1.0


@dataclass(frozen=True)
class Loss:
    """Cross-entropy to the label mixed with `smoothing` of the uniform distribution."""

    name: Literal["cross_entropy"] = "cross_entropy"
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        _known_name(self, "loss")
        _within("smoothing", self.smoothing, 0.0, 1.0)


@dataclass(frozen=True)
class Augment:
    """Random shifts by up to `shift` pixels (edges padded with zeros) and horizontal flips, for images."""

    shift: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        _within("shift (pixels)", self.shift, 0)

    def __bool__(self) -> bool:
        return self.flip or self.shift > 0


@dataclass(frozen=True)
class Train:
    """One stage of training on the model's own members, from the weights of the stage before."""

    stage: Literal["train"] = "train"
    epochs: int = 30
    batch_size: int = 64
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: Schedule = field(default_factory=Schedule)
    loss: Loss = field(default_factory=Loss)
    augment: Augment = field(default_factory=Augment)
    patience: int | None = None  # stop when the dev loss has not improved for so many epochs; keep the best

    def __post_init__(self) -> None:
        _within("epochs", self.epochs, 1)
        _within("batch_size", self.batch_size, 1)
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, got {self.patience}; leave it out for none")


@dataclass(frozen=True)
class Architecture:
    """A network by name: `mlp` (hidden widths) or `cnn` (two strided convolutions and a linear layer).

    Dropout acts on each hidden layer of the MLP, and on what the CNN's linear layer reads.
    """

    name: Literal["mlp", "cnn"] = "mlp"
    hidden: tuple[int, ...] = (128, 64)  # mlp only
    dropout: float = 0.0
    channels: tuple[int, int] = (16, 32)  # cnn only

    def __post_init__(self) -> None:
        _known_name(self, "architecture")
        _within("dropout", self.dropout, 0.0, 1.0)
        for width in (*self.hidden, *self.channels):
            _within("a layer's width", width, 1)
        if len(self.channels) != 2:
            raise InputError(f"channels must be two numbers, one a convolution, got {self.channels}")


@dataclass(frozen=True)
class Recipe:
    """How a model is made: its architecture and its stages, in order."""

    architecture: Architecture = field(default_factory=Architecture)
    stages: tuple[Train, ...] = (Train(),)

    def __post_init__(self) -> None:
        if not self.stages:
            raise InputError("a recipe must have at least one stage, got none; add a `train` stage")

    @property
    def needs_dev(self) -> bool:
        """Whether a stage stops early, on the loss on dev records."""
        return any(stage.patience is not None for stage in self.stages)

    def describe(self) -> dict[str, Any]:
        """Plain data for the key and the report."""
        return asdict(self)
