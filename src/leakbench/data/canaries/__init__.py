"""Kinds of canary: one file each."""

from ...core.registry import Registry
from .base import Canaries, CanaryKind

CANARIES: Registry[CanaryKind] = Registry("canary_kind", "leakbench.data.canaries", CanaryKind)

__all__ = ["CANARIES", "Canaries", "CanaryKind"]
