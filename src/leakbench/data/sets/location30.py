from dataclasses import dataclass
from typing import ClassVar

from .base import KnownSet


@dataclass(frozen=True)
class Location30(KnownSet):
    """5,010 users x 446 places and kinds of places visited (bits), 30 classes."""

    name: ClassVar[str] = "location30"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820; from Foursquare, Yang et al. 2016"
    formats: ClassVar[tuple[str, ...]] = ("class_first",)
