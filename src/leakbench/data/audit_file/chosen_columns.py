"""The columns of a table that a user chooses: by name, by a pattern such as `p_*`, or by number without a header."""

import fnmatch
import re
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ...core.errors import InputError
from .names import canonical
from .record_table import RecordTable, listed, shown

Columns: TypeAlias = str | Sequence[str]
RANGE = re.compile(r"(\d{1,6})-(\d{1,6})")
NUMBERED = re.compile(r"(.+?)(?:_(\d{1,6}))?")


class Column(NamedTuple):
    """A chosen column.

    Args:
        place: Its place in the table.
        name: Its name.
        part: The part of the name that `*` stands for; None where the name was written out.
        nameless: Whether the table has no header, so that the name is only a number.
    """

    place: int
    name: str
    part: str | None = None
    nameless: bool = False


def chosen(table: RecordTable, option: str, given: Columns) -> list[Column]:
    """The columns that `given` names: a list, or text with commas, of names, patterns and ranges of numbers.

    Raises InputError for an item without a column, and for a column that is chosen twice.

    >>> import pyarrow as pa
    >>> table = RecordTable(("split", "p_cat", "p_dog"), (pa.chunked_array([[1]]),) * 3, "a.csv")
    >>> [(column.name, column.part) for column in chosen(table, "probs", "p_*")]
    [('p_cat', 'cat'), ('p_dog', 'dog')]
    """
    items = [given] if isinstance(given, str) else list(given)
    if isinstance(given, str) and given not in table.names:
        items = listed(option, given)
    found = [column for item in items for column in _named(table, option, item)]
    twice = sorted({c.name for c in found if [other.place for other in found].count(c.place) > 1})
    if twice:
        raise InputError(f"--{option} chooses the column {twice[0]!r} twice; name each column once")
    for column in found:
        table.column(column.name)  # which no other column may be called
    return found


def _named(table: RecordTable, option: str, item: str) -> list[Column]:
    if item not in table.names and table.numbered and (ends := RANGE.fullmatch(item)):
        return [
            Column(table.column(str(n)), str(n), None, True) for n in range(int(ends[1]), int(ends[2]) + 1)
        ]
    if item in table.names or not set(item) & set("*?"):
        place = table.column(item)
        return [Column(place, table.names[place], None, table.numbered)]
    pattern = fnmatch.translate(item.replace("[", "[[]"))
    before, star, after = item.partition("*")
    one = star and "*" not in after
    for flags in (re.NOFLAG, re.IGNORECASE):
        found = [
            Column(i, name, name[len(before) : len(name) - len(after)] if one else None)
            for i, name in enumerate(table.names)
            if re.match(pattern, name, flags)
        ]
        if found:
            return found
    raise InputError(
        f"--{option} {item!r} matches no column of {table.place}, which has {shown(table.names)}"
    )


def by_own_name(table: RecordTable, name: str) -> list[Column]:
    """The columns that hold an array of the audit file by their own names, such as `label`, or `probs_0`, `probs_1`."""
    found = [(i, own, NUMBERED.fullmatch(own.casefold())) for i, own in enumerate(table.names)]
    return [Column(i, own, match[2]) for i, own, match in found if match and canonical(match[1]) == name]
