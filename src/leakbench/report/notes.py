"""What was left out and why, on few lines."""

import re
from collections.abc import Iterable, Sequence

MOST_NAMES = 12  # on a line
LEFT_OUT = re.compile(r"(?P<name>.+?) was left out: (?P<why>.+)", re.DOTALL)


def grouped(notes: Iterable[str]) -> list[str]:
    """The notes, each once. Those that say that something was left out for one reason become one line.

    >>> grouped(["lira was left out: it needs labels", "gap was left out: it needs labels", "not used: x"])
    ['lira and gap were left out: each needs labels', 'not used: x']
    """
    lines: dict[str, list[str]] = {}  # the notes by the reason that they share
    for note in dict.fromkeys(notes):
        found = LEFT_OUT.fullmatch(note)
        lines.setdefault(found["why"] if found else note, []).append(note)
    return [group[0] if len(group) == 1 else _together(group, why) for why, group in lines.items()]


def _together(group: Sequence[str], why: str) -> str:
    names = [note.partition(" was left out: ")[0] for note in group]
    return f"{listed(names)} were left out: {re.sub('^it ', 'each ', why)}"


def listed(names: Sequence[str]) -> str:
    """The names in a sentence: `a, b and c`, or `a, b and 7 more` where they are many."""
    more = len(names) - MOST_NAMES
    shown = [*names[:MOST_NAMES], f"{more} more"] if more > 0 else list(names)
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
