"""The common part of the variational autoencoders, without torch."""

from dataclasses import dataclass

from ._checks import require_positive
from .base import Generator


@dataclass(frozen=True)
class Vae(Generator):
    """The sizes of the networks and the settings of their fit."""

    latent: int = 16  # numbers z
    hidden: int = 256  # units in each of two hidden layers
    epochs: int = 30  # passes over the data
    batch_size: int = 64  # records per batch
    lr: float = 3e-3  # learning rate
    beta: float = 1.0  # weight of the divergence

    def __post_init__(self) -> None:
        require_positive(self.parameters())
