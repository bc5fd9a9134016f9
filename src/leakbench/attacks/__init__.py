"""Attacks: one file each. See `base` for what an attack is and CONTRIBUTING for how to add one."""

from ..core.registry import Registry
from .base import Attack, TrainedAttack

ATTACKS: Registry[Attack] = Registry("attack", __name__, Attack)

__all__ = ["ATTACKS", "Attack", "TrainedAttack"]
