"""Checks of the parameters of generators."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.errors import InputError


def require_positive(parameters: Mapping[str, Any]) -> None:
    """Raise InputError for a parameter that is not a positive number (or several)."""
    for name, value in parameters.items():
        if not np.size(value) or not np.all(np.asarray(value) > 0):
            raise InputError(f"{name} must be positive, got {value}")
