from dataclasses import dataclass
from typing import ClassVar

from .base import File, KnownSet


@dataclass(frozen=True)
class Purchase100(KnownSet):
    """197,324 customers x 600 products bought (bits), 100 classes."""

    name: ClassVar[str] = "purchase100"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820; from Kaggle's Acquire Valued Shoppers"
    formats: ClassVar[tuple[str, ...]] = ("class_first",)
    home: ClassVar[str] = "https://github.com/privacytrustlab/datasets/raw/master"
    files: ClassVar[tuple[File, ...]] = (File("dataset_purchase.tgz"),)
