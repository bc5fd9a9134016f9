"""Builds dataclasses from tables of plain data (TOML). Unknown keys are refused, with the nearest name."""

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from .checks import checked
from .errors import InputError, first_problem, unknown

T = TypeVar("T")


def build(cls: type[T], table: object, where: str) -> T:
    """An instance of the dataclass `cls` from `table`, nested dataclasses included.

    Raises InputError naming the place `where` for an unknown key, a missing one or a value of the wrong type.
    """
    from pydantic import ValidationError

    refuse_endless(table, where)
    refuse_unknown(cls, table, where)
    try:
        return cast(T, checked(cls, table))
    except ValidationError as error:
        raise InputError(f"{where}: {first_problem(error, table)}") from None


def refuse_unknown(cls: type, table: object, where: str) -> None:
    """Raise InputError for a key that is no field of `cls`, at any depth."""
    if not isinstance(table, Mapping):
        raise InputError(f"{where} must be a table of keys, got {table!r}; write it as {{key = value}}")
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]
    for key, value in table.items():
        if key not in names:
            raise unknown(f"key in {where}:", str(key), names)
        options = _dataclasses_in(hints[key])
        if not options:
            continue
        for i, item in enumerate(value if isinstance(value, list) else [value]):
            place = f"{where}.{key}.{i}" if isinstance(value, list) else f"{where}.{key}"
            if not dataclasses.is_dataclass(item):
                refuse_unknown(_chosen(options, item, place), item, place)


def refuse_endless(value: object, where: str) -> None:
    """Raise InputError for a number that is not finite, or does not fit into 64 bits, at any depth."""
    if isinstance(value, Mapping | list):
        for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            refuse_endless(each, f"{where}.{key}")
    elif isinstance(value, int | float) and not abs(value) < 2**63:
        got = value if isinstance(value, float) else f"one of {value.bit_length()} bits"
        raise InputError(f"{where} must be a finite number below 2^63, got {got}; write a smaller one")


def override(table: dict[str, Any], assignment: str) -> None:
    """Apply `a.b.0.c=value` to a nested table; the value is read as TOML, else as a bare string.

    >>> study = {"stages": [{"epochs": 30}]}
    >>> override(study, "stages.0.epochs=5"); study
    {'stages': [{'epochs': 5}]}
    """
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        raise InputError(f"--set must be key=value, got {assignment!r}")
    node: Any = table
    *steps, last = path.strip().split(".")
    for step in steps:
        node = _child(node, step, path)
    if isinstance(node, list):
        node[_position(node, last, path)] = _value(text)
    else:
        node[last] = _value(text)


def _child(node: Any, step: str, path: str) -> Any:
    child = node[_position(node, step, path)] if isinstance(node, list) else node.setdefault(step, {})
    if not isinstance(child, dict | list):
        raise InputError(f"--set {path}: {step!r} is a value, not a table")
    return child


def _position(node: list[Any], step: str, path: str) -> int:
    if not step.isdigit() or int(step) >= len(node):
        raise InputError(f"--set {path}: {step!r} must be a position in 0..{len(node) - 1}")
    return int(step)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text.strip()


def _dataclasses_in(hint: Any) -> list[type]:
    """The dataclasses in `X`, `X | Y | None`, `tuple[X, ...]` or `list[X]`, at any depth."""
    inside = typing.get_args(hint)
    if inside:
        return [found for each in inside for found in _dataclasses_in(each)]
    return [hint] if isinstance(hint, type) and dataclasses.is_dataclass(hint) else []


def _chosen(options: list[type], item: object, where: str) -> type:
    """The dataclass that the tag of a table names; the first one without a tag. The tag is the first field of each."""
    if len(options) == 1:
        return options[0]
    tag = dataclasses.fields(options[0])[0].name
    tagged = {typing.get_args(typing.get_type_hints(option)[tag])[0]: option for option in options}
    if not isinstance(item, Mapping) or tag not in item:
        return options[0]
    if not isinstance(item[tag], str) or item[tag] not in tagged:
        raise unknown(f"{tag} in {where}:", str(item[tag]), tagged)
    return tagged[item[tag]]
