"""Every error that leakbench raises on purpose: what must be, what was got, what to do."""

import difflib
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .printable import printable

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

LONGEST = 1800  # characters of a message


class LeakbenchError(Exception):
    """The base class of all errors. The command line prints its text and exits with 2."""

    def __str__(self) -> str:
        """The text on one line without control characters, whatever it quotes, cut off after LONGEST characters."""
        text = printable(super().__str__())
        return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


class InputError(LeakbenchError, ValueError):
    """An input (arrays, a file, a study, a name) is not as it must be."""


class StoreError(LeakbenchError):
    """A file of the store is damaged or belongs to something else."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """An `InputError` for a name that does not exist, with the nearest one that does.

    >>> print(unknown("attack", "lirra", ["lira", "rmia"]))
    unknown attack 'lirra'; did you mean 'lira'? (known: lira, rmia)
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InputError(f"unknown {kind} {name!r}{hint} (known: {', '.join(known)})")


MUST = {  # what must be, and what to do, by the start of pydantic's error type
    "int": ("a whole number", "write it in digits, such as 10"),
    "float": ("a number", "write it in digits, such as 0.5"),
    "finite_number": ("a finite number", "write it in digits, such as 0.5"),
    "bool": ("true or false", "write it without quotes"),
    "string": ("text", "put it into quotes"),
    "tuple": ("a list", "put it into brackets"),
    "list": ("a list", "put it into brackets"),
    "dict": ("a table of keys", "write it as {key = value}"),
}


def first_problem(error: "ValidationError", table: object = None) -> str:
    """The first problem that pydantic found, on one line: where, what must be, what was got.

    With the `table` that was read, the text also says what to do, and the place has no names of types in it.
    """
    problems = [(_place(each["loc"], table), each) for each in error.errors()]
    place, first = problems[0]
    # pydantic tries a union type by type: the deepest error is meant, and each type there is an option
    within = [p for p in problems if p[0][: len(place)] == place]
    place, first = max(within, key=lambda p: len(p[0]))
    own = first.get("ctx", {}).get("error")
    where = ".".join(map(str, place))
    if isinstance(own, LeakbenchError):
        return f"{where}: {own}" if where else str(own)
    if table is not None and first["type"] == "missing" and isinstance(first["loc"][-1], str):
        named = ".".join(map(str, [*place, first["loc"][-1]]))
        return f"{named} must be given, got none; add it to {first['input']!r}"
    found = dict(_must(each) for at, each in within if at == place)
    if not all(found):
        return f"{where}: {first['msg']}, got {first['input']!r}"
    remedy = f"; {' or '.join(found.values())}" if table is not None else ""
    return f"{where} must be {' or '.join(found)}, got {first['input']!r}{remedy}"


def _place(loc: tuple[int | str, ...], table: object) -> tuple[int | str, ...]:
    """The path of keys and positions, without the names of types that pydantic adds."""
    if table is None:
        return loc
    node: Any = table
    place = []
    for step in loc:
        is_key = isinstance(node, Mapping) and step in node
        if is_key or (isinstance(node, list | tuple) and isinstance(step, int) and step < len(node)):
            place.append(step)
            node = node[step]
    return tuple(place)


def _must(problem: "ErrorDetails") -> tuple[str, str]:
    """The requirement and the remedy; empty if only pydantic's message describes the problem."""
    if problem["type"] == "literal_error":
        return f"one of {problem['ctx']['expected'].replace(' or ', ', ')}", "choose one"
    if problem["type"] == "missing" and isinstance(problem["loc"][-1], int):
        return "a longer list", "add what is missing"
    return next((words for start, words in MUST.items() if problem["type"].startswith(start)), ("", ""))


def require(package: str) -> None:
    """Raise ModuleNotFoundError unless the package is installed; the command line names the extra that brings it."""
    if find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
