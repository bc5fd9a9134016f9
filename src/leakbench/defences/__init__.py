"""Defences: one file each. See `base` for what a defence is."""

from ..core.registry import Registry
from .base import Defence

DEFENCES: Registry[Defence] = Registry("defence", __name__, Defence)

__all__ = ["DEFENCES", "Defence"]
