from dataclasses import dataclass
from typing import ClassVar

from .base import KnownSet


@dataclass(frozen=True)
class Mnist(KnownSet):
    """60,000 + 10,000 handwritten digits, 28 x 28 grey, 10 classes."""

    name: ClassVar[str] = "mnist"
    source: ClassVar[str] = (
        "LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition"
    )
    formats: ClassVar[tuple[str, ...]] = ("idx", "image_parquet")
