from dataclasses import dataclass
from typing import ClassVar

from .base import KnownSet


@dataclass(frozen=True)
class Texas100(KnownSet):
    """67,330 hospital stays x 6,169 features (bits), 100 classes."""

    name: ClassVar[str] = "texas100"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820; from the Texas hospital discharge data"
    formats: ClassVar[tuple[str, ...]] = ("feats_labels",)
