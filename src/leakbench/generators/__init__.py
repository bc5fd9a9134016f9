"""Generators of synthetic records: one file each."""

from ..core.registry import Registry
from .base import Generator, Sampler, Synthetic, synthesise

GENERATORS: Registry[Generator] = Registry("generator", "leakbench.generators", Generator)

__all__ = ["GENERATORS", "Generator", "Sampler", "Synthetic", "synthesise"]
