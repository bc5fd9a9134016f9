from dataclasses import dataclass
from typing import ClassVar

from .base import KnownSet


@dataclass(frozen=True)
class Cifar100(KnownSet):
    """50,000 + 10,000 photographs, 32 x 32 colour, 100 classes."""

    name: ClassVar[str] = "cifar100"
    source: ClassVar[str] = "Krizhevsky 2009, Learning multiple layers of features from tiny images"
    formats: ClassVar[tuple[str, ...]] = ("cifar_pickle", "image_parquet")
