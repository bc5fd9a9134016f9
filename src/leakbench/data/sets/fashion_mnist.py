from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class FashionMnist(KnownSet):
    """60,000 + 10,000 photographs of clothes, 28 x 28 grey, 10 classes."""

    name: ClassVar[str] = "fashion_mnist"
    source: ClassVar[str] = "Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"
    home: ClassVar[str] = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
    )
    files: ClassVar[tuple[File, ...]] = (
        File("train-images-idx3-ubyte.gz", 26_421_880, "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        File("train-labels-idx1-ubyte.gz", 29_515, "md5:25c81989df183df01b3e8a0aad5dffbe"),
        File("t10k-images-idx3-ubyte.gz", 4_422_102, "md5:bef4ecab320f06d8554ea6380940ec79"),
        File("t10k-labels-idx1-ubyte.gz", 5_148, "md5:bb300cfdad3c16e7a12a480ee83cd310"),
    )
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
