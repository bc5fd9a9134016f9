"""Every error that leakbench raises on purpose: what must be, what was got, what to do."""

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class LeakbenchError(Exception):
    """Base of all; the command line prints its text on one line and exits with 2."""


class InputError(LeakbenchError, ValueError):
    """What the caller gave (arrays, a file, a study, a name) is not what it must be."""


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


def first_problem(error: "ValidationError") -> str:
    """The first problem that pydantic found, on one line: where, what must be, what was got."""
    first = error.errors()[0]
    own = first.get("ctx", {}).get("error")
    place = ".".join(map(str, first["loc"]))
    if isinstance(own, LeakbenchError):
        return f"{place}: {own}" if place else str(own)
    return f"{place}: {first['msg']}, got {first['input']!r}"
