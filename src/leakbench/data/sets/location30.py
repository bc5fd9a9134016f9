from dataclasses import dataclass
from typing import Any, ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class Location30(KnownSet):
    """5,010 users x 446 places and kinds of places visited (bits), 30 classes."""

    name: ClassVar[str] = "location30"
    variants: ClassVar[dict[str, dict[str, Any]]] = {"location": {}}
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820; from Foursquare, Yang et al. 2016"
    formats: ClassVar[tuple[str, ...]] = ("class_first",)
    home: ClassVar[str] = "https://github.com/privacytrustlab/datasets/raw/master"
    files: ClassVar[tuple[File, ...]] = (
        File(
            "dataset_location.tgz",
            287_293,
            "sha256:927203f85a868f8ee17a0ded1dc61699efe602167beabe34fbf45b4b1de94b33",
        ),
    )
