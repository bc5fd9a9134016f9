"""Designs: one file each."""

from ...core.registry import Registry
from .base import Design, Split
from .disjoint import Disjoint
from .random_half import RandomHalf
from .single import Single

DESIGNS: Registry[Design] = Registry("design", "leakbench.data.designs", Design)

__all__ = ["DESIGNS", "Design", "Disjoint", "RandomHalf", "Single", "Split"]
