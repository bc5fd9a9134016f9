"""Metrics: what a set of scores says about leakage, each with its interval."""

from ..core.registry import Registry
from .base import Estimate, Metric
from .statistics.sample import Sample

METRICS: Registry[Metric] = Registry("metric", __name__, Metric)

__all__ = ["METRICS", "Estimate", "Metric", "Sample"]
