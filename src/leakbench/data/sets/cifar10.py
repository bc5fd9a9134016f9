from dataclasses import dataclass
from typing import ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class Cifar10(KnownSet):
    """50,000 + 10,000 photographs, 32 x 32 colour, 10 classes."""

    name: ClassVar[str] = "cifar10"
    source: ClassVar[str] = "Krizhevsky 2009, Learning multiple layers of features from tiny images"
    home: ClassVar[str] = "https://www.cs.toronto.edu/~kriz"
    files: ClassVar[tuple[File, ...]] = (
        File("cifar-10-python.tar.gz", 170_498_071, "md5:c58f30108f718f92721af3b95e74349a"),
    )
    mean: ClassVar[tuple[float, ...]] = (0.4914, 0.4822, 0.4465)
    std: ClassVar[tuple[float, ...]] = (0.2470, 0.2435, 0.2616)
    formats: ClassVar[tuple[str, ...]] = ("cifar_pickle", "image_parquet")
    classes: ClassVar[tuple[str, ...] | None] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
