from dataclasses import dataclass
from typing import ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class Texas100(KnownSet):
    """67,330 hospital stays x 6,169 features (bits), 100 classes."""

    name: ClassVar[str] = "texas100"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820; from the Texas hospital discharge data"
    formats: ClassVar[tuple[str, ...]] = ("feats_labels",)
    home: ClassVar[str] = "https://github.com/privacytrustlab/datasets/raw/master"
    files: ClassVar[tuple[File, ...]] = (File("dataset_texas.tgz"),)
