"""Known data sets: one file each."""

from ...registry import Registry
from .base import KnownSet

DATASETS: Registry[KnownSet] = Registry("dataset", "leakbench.data.sets", KnownSet)

__all__ = ["DATASETS", "KnownSet"]
