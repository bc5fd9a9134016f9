"""Attacks: one file each. See `base` for what an attack is and CONTRIBUTING for how to add one."""

from ..registry import Registry
from .base import Attack, TrainedAttack
from .suite import STANDARD, SUITES

ATTACKS: Registry[Attack] = Registry("attack", __name__, Attack)

__all__ = ["ATTACKS", "STANDARD", "SUITES", "Attack", "TrainedAttack"]
