from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .base import KnownSet


@dataclass(frozen=True)
class FashionMnist(KnownSet):
    """60,000 + 10,000 photographs of clothes, 28 x 28 grey, 10 classes."""

    name: ClassVar[str] = "fashion_mnist"
    source: ClassVar[str] = "Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"
    formats: ClassVar[tuple[str, ...]] = ("idx", "image_parquet")
    classes: ClassVar[tuple[str, ...] | None] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    elsewhere: ClassVar[Path | None] = Path(
        "/usr/share/datasets/fashion-mnist"
    )  # Debian's dataset-fashion-mnist
