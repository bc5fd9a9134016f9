"""Data sets: one name or one path gives records, labels and fixed parts."""

from .dataset import Dataset

__all__ = ["Dataset"]
