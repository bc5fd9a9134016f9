from dataclasses import dataclass
from typing import ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class Mnist(KnownSet):
    """60,000 + 10,000 handwritten digits, 28 x 28 grey, 10 classes."""

    name: ClassVar[str] = "mnist"
    source: ClassVar[str] = (
        "LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition"
    )
    home: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist"
    files: ClassVar[tuple[File, ...]] = (
        File("train-images-idx3-ubyte.gz", 9_912_422, "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        File("train-labels-idx1-ubyte.gz", 28_881, "md5:d53e105ee54ea40749a09fcbcd1e9432"),
        File("t10k-images-idx3-ubyte.gz", 1_648_877, "md5:9fb629c4189551a2d022fa330f9573f3"),
        File("t10k-labels-idx1-ubyte.gz", 4_542, "md5:ec29112dd5afa0611ce80d1b7f02629c"),
    )
    formats: ClassVar[tuple[str, ...]] = ("idx", "image_parquet")
