"""Which records of a table are members: by a column of yes and no, of train and test, or by a value of any column."""

import re
import shlex
from typing import NamedTuple

import numpy as np

from ...core.errors import InputError, unknown
from ...signals.types import Bools
from .record_table import Cells, RecordTable, listed, plain

YES, NO = ("1", "true", "yes", "y", "t"), ("0", "-1", "false", "no", "n", "f")
MEMBER = (*YES, "train", "training", "member", "members", "in")
OTHER = (*NO, "test", "testing", "nonmember", "nonmembers", "non-member", "non_member", "out")
OPPOSITE = re.compile(  # a word in the name of a column whose yes may mean a non-member
    r"(?<![a-z])(test(ing)?|val(id(ation)?)?|eval|held|hold(out)?|out|oos|no[nt]?|nonmembers?|unseen|others?)(?![a-z])"
)
CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")  # where a word begins in "isTest"
MOST_SHOWN = 6  # values of a column in a message


class Membership(NamedTuple):
    """The members and the non-members among the records [N], each with its description. Others are in neither."""

    members: Bools
    nonmembers: Bools
    lines: tuple[str, str]
    columns: tuple[str, ...]


def membership(table: RecordTable, members: str, nonmembers: str | None) -> Membership:
    """Who is a member: `members` is a column, or `column=value`; so is `nonmembers`, or None for all other records.

    Raises InputError unless both sides are told without doubt.
    """
    inside, words, own = _records(table, "members", members, alone=nonmembers is None)
    if nonmembers is None:
        return Membership(inside, ~inside, (f"members where {words}", "non-members"), (own,))
    outside, others, other = _records(table, "nonmembers", nonmembers, alone=False)
    if (inside & outside).any():
        raise InputError(
            f"{table.place}: record {int((inside & outside).argmax())} is both, a member where {words} and a "
            f"non-member where {others}; choose values that exclude each other"
        )
    return Membership(
        inside, outside, (f"members where {words}", f"non-members where {others}"), (own, other)
    )


def is_condition(table: RecordTable, text: str) -> bool:
    """Whether a text is `column=value` for a column of the table."""
    return any(left.casefold() in map(str.casefold, table.names) for left, _ in _splits(text))


def suggestion(table: RecordTable) -> str:
    """What to write for the first column that tells members from others by words such as train and test."""
    for i, name in enumerate(table.names):
        try:
            distinct = table.cells(i).distinct
        except InputError:  # empty cells, or lists
            continue
        member = [text for text in distinct if text.casefold() in MEMBER]
        if len(distinct) == 2 and len(member) == 1 and member[0].casefold() not in YES:
            return f"--members {_quoted(name, member[0])}"
    return "--members COLUMN=VALUE"


def _splits(text: str) -> list[tuple[str, str]]:
    return [(text[: m.start()].strip(), text[m.end() :].strip()) for m in re.finditer("=", text)]


def _records(table: RecordTable, option: str, text: str, alone: bool) -> tuple[Bools, str, str]:
    """The records that fulfil a condition, the condition in words, and its column.

    `alone`: all other records are on the other side.
    """
    exact = text.strip() in table.names
    split = next((s for s in _splits(text) if not exact and is_condition(table, f"{s[0]}=")), None)
    if split is None:
        i = table.column(text if exact else text.partition("=")[0])
        cells = table.cells(i)
        value = _yes(table, option, table.names[i], cells)
        return cells.where([value]), f"{table.names[i]} = {value}", table.names[i]
    i = table.column(split[0])
    name, cells = table.names[i], table.cells(i)
    values = _values(table, name, cells, split[1])
    rest = [text for text in cells.distinct if text not in values]
    if alone and not rest:
        raise InputError(
            f"{table.place}: every record has {name} = {', '.join(values)}; add records of the other side, or give "
            "their table: --nonmembers FILE"
        )
    if alone and len(rest) > 1:
        other = next((text for text in rest if text.casefold() in OTHER), rest[0])
        raise InputError(
            f"{table.place}: column {name!r} has {_counts(cells)}; say which records are the non-members, such as "
            f"--nonmembers {_quoted(name, other)}; records that are neither are left out"
        )
    return cells.where(values), f"{name} = {', '.join(values)}", name


def _yes(table: RecordTable, option: str, name: str, cells: Cells) -> str:
    """The value that says yes in a column of two values."""
    yes = [text for text in cells.distinct if text.casefold() in MEMBER]
    no = [text for text in cells.distinct if text.casefold() in OTHER]
    if option == "nonmembers" or len(cells.distinct) != 2 or not yes or not no:
        raise InputError(
            f"{table.place}: column {name!r} has {_counts(cells)}; say which of them are the {option}, such as "
            f"--{option} {_quoted(name, (yes or cells.distinct)[0])}"
        )
    if yes[0].casefold() in YES and OPPOSITE.search(CAPITAL.sub(" ", name).lower()):
        raise InputError(
            f"{table.place}: column {name!r} may mark the non-members; say which value the members have, "
            f"--members {_quoted(name, no[0])} or --members {_quoted(name, yes[0])}"
        )
    return yes[0]


def _values(table: RecordTable, name: str, cells: Cells, text: str) -> list[str]:
    """The values of the column that `text` names: one, or several with commas."""
    whole = plain(text)
    if whole in cells.distinct:
        return [whole]
    return [_value(table, name, cells, plain(item)) for item in listed(f"members {name}", text)]


def _value(table: RecordTable, name: str, cells: Cells, value: str) -> str:
    found = [text for text in cells.distinct if text == value]
    found = found or [text for text in cells.distinct if text.casefold() == value.casefold()]
    if len(found) > 1:
        raise InputError(
            f"{table.place}: column {name!r} has {_counts(cells)}; write one of them as it is there"
        )
    if not found and len(cells.distinct) > MOST_SHOWN:
        raise InputError(
            f"{table.place}: no record has {name} = {value[:100]!r}; the column has {_counts(cells)}"
        )
    if not found:
        raise unknown(f"value of {name}:", value[:100], cells.distinct)
    return found[0]


def _counts(cells: Cells) -> str:
    """The values of a column with the number of records of each, the most frequent first."""
    counts = np.bincount(cells.codes, minlength=len(cells.distinct))
    order = np.argsort(-counts, kind="stable")
    shown = ", ".join(f"{cells.distinct[i][:50]!r} ({counts[i]:,})" for i in order[:MOST_SHOWN])
    several = len(cells.distinct) != 1
    return (
        f"{len(order):,} value{'s' if several else ''}, {shown}{', ...' if len(order) > MOST_SHOWN else ''}"
    )


def _quoted(name: str, value: str) -> str:
    return shlex.quote(f"{name}={value}")
