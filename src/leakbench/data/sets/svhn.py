from dataclasses import dataclass
from typing import ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class Svhn(KnownSet):
    """73,257 + 26,032 house numbers' digits, 32 x 32 colour, 10 classes; the extra part is left alone."""

    name: ClassVar[str] = "svhn"
    source: ClassVar[str] = (
        "Netzer, Wang, Coates, Bissacco, Wu, Ng 2011, Reading digits in natural images with unsupervised "
        "feature learning"
    )
    home: ClassVar[str] = "https://ufldl.stanford.edu/housenumbers"
    files: ClassVar[tuple[File, ...]] = (
        File("train_32x32.mat", 182_040_794, "md5:e26dedcc434d2e4c54c9b2d4a06d8373"),
        File("test_32x32.mat", 64_275_384, "md5:eb5a983be6a315427106f1b164d9cef3"),
    )
    mean: ClassVar[tuple[float, ...]] = (0.4377, 0.4438, 0.4728)
    std: ClassVar[tuple[float, ...]] = (0.1980, 0.2010, 0.1970)
    formats: ClassVar[tuple[str, ...]] = ("svhn_mat", "image_parquet")
