"""Losses: one file each. They use the methods of the tensors they are given, so they import no torch."""

from ...core.registry import Registry
from .base import Loss
from .cross_entropy import CrossEntropy

LOSSES: Registry[Loss] = Registry("loss", "leakbench.train.losses", Loss)

__all__ = ["LOSSES", "CrossEntropy", "Loss"]
