from dataclasses import dataclass
from typing import ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class Cifar100(KnownSet):
    """50,000 + 10,000 photographs, 32 x 32 colour, 100 classes."""

    name: ClassVar[str] = "cifar100"
    source: ClassVar[str] = "Krizhevsky 2009, Learning multiple layers of features from tiny images"
    home: ClassVar[str] = "https://www.cs.toronto.edu/~kriz"
    files: ClassVar[tuple[File, ...]] = (
        File("cifar-100-python.tar.gz", 169_001_437, "md5:eb9058c3a382ffc7106e4002c42a8d85"),
    )
    mean: ClassVar[tuple[float, ...]] = (0.5071, 0.4865, 0.4409)
    std: ClassVar[tuple[float, ...]] = (0.2673, 0.2564, 0.2762)
    formats: ClassVar[tuple[str, ...]] = ("cifar_pickle", "image_parquet")
