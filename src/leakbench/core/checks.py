"""Checks of plain data, and of the fields of a dataclass that a study file fills."""

import math
from collections.abc import Mapping
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from .errors import InputError, unknown

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)  # takes some 10 ms for a dataclass of dataclasses


def checked(kind: Any, plain: object) -> Any:
    """Plain data as an instance of a type. Raises ValidationError, a ValueError, for data of another type."""
    return _adapter(kind).validate_python(plain)


def known(part: Any, kind: str, field: str = "name") -> None:
    """Raise InputError, with the nearest name, unless the field of `part` is one of the names that its type lists."""
    names = get_args(get_type_hints(type(part))[field])
    if getattr(part, field) not in names:
        raise unknown(kind, getattr(part, field), names)


def within(what: str, value: Any, low: float, high: float = math.inf, include_low: bool = True) -> None:
    """Raise InputError unless low <= value < high (low < value with `include_low` off)."""
    number = isinstance(value, Real)
    if not number:
        raise InputError(f"{what} must be a number, got {value!r}")
    if not (low <= value < high) or (value == low and not include_low):
        least = f"at least {low:g}" if include_low else f"above {low:g}"
        below = "" if high == math.inf else f" and below {high:g}"
        raise InputError(f"{what} must be {least}{below}, got {value}")


def positive(parameters: Mapping[str, Any]) -> None:
    """Raise InputError unless each parameter, a number or several, is above 0 and finite."""
    for name, value in parameters.items():
        if not all(0 < each < math.inf for each in (value if isinstance(value, list | tuple) else [value])):
            raise InputError(f"{name} must be positive, got {value}")
