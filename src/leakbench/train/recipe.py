"""A recipe: an architecture and an ordered list of stages, all plain data (no torch here)."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..errors import InputError


@dataclass(frozen=True)
class Optimiser:
    """SGD with momentum, or Adam; `weight_decay` is L2 added to the gradient, as in torch."""

    name: Literal["sgd", "adam"] = "sgd"
    lr: float = 0.05
    momentum: float = 0.9  # SGD only
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """The learning rate over epochs: constant, cosine to zero, or times `factor` at `milestones` (fractions)."""

    name: Literal["constant", "cosine", "steps"] = "constant"
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1


@dataclass(frozen=True)
class Loss:
    """Cross-entropy to the label mixed with `smoothing` of the uniform distribution."""

    name: Literal["cross_entropy"] = "cross_entropy"
    smoothing: float = 0.0


@dataclass(frozen=True)
class Augment:
    """Random shifts by up to `shift` pixels (edges padded with zeros) and horizontal flips, for images."""

    shift: int = 0
    flip: bool = False


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
        for name, value, low in (("epochs", self.epochs, 1), ("batch_size", self.batch_size, 1)):
            if value < low:
                raise InputError(f"{name} must be at least {low}, got {value}")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, got {self.patience}; leave it out for none")


@dataclass(frozen=True)
class Architecture:
    """A network by name: `mlp` (hidden widths, dropout) or `cnn` (two strided convolutions)."""

    name: Literal["mlp", "cnn"] = "mlp"
    hidden: tuple[int, ...] = (128, 64)
    dropout: float = 0.0
    channels: tuple[int, int] = (16, 32)  # cnn only


@dataclass(frozen=True)
class Recipe:
    """How a model is made: its architecture and its stages, in order."""

    architecture: Architecture = field(default_factory=Architecture)
    stages: tuple[Train, ...] = (Train(),)

    def describe(self) -> dict[str, Any]:
        """Plain data for the key and the report."""
        return asdict(self)
