"""Known data sets: one file each."""

from ...core.registry import Registry
from .base import File, KnownSet, data_folder

DATASETS: Registry[KnownSet] = Registry("dataset", "leakbench.data.sets", KnownSet)

__all__ = ["DATASETS", "File", "KnownSet", "data_folder"]
