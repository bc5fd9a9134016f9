"""Hostile tables with chosen columns: a right result or one line, in bounded time and memory."""

from collections import Counter
from pathlib import Path

import pytest

import leakbench
from leakbench.core.errors import InputError
from leakbench.data.audit_file.chosen_table import Choice, read_chosen
from leakbench.data.formats import read_path

from .audits import bounded, size_of
from .record_tables import KINDS, hostile_table, outcome

FEW, MANY = 100, 5_000


def _tried(numbers: range, folder: Path, audited: int) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for number in numbers:
        given = hostile_table(number, folder)
        try:
            with bounded(size_of(given.source) if isinstance(given.source, Path) else 0):
                found[KINDS[number % len(KINDS)], outcome(given, number % audited == 0)] += 1
        except BaseException as error:
            error.add_note(f"hostile table {number}")
            raise
    return found


def test_hostile_tables(tmp_path: Path) -> None:
    found = _tried(range(FEW), tmp_path, audited=20)
    assert all(found[kind, "right"] >= 2 and found[kind, "refused"] >= 5 for kind in KINDS), found


def test_a_damaged_footer_does_not_end_the_process(tmp_path: Path) -> None:
    given = hostile_table(3262, tmp_path)  # Arrow 25 aborts where the metadata of a column is read
    with pytest.raises(InputError, match="is damaged or cut short"):
        read_chosen(given.source, Choice.of(given.choice))
    with pytest.raises(InputError):
        leakbench.audit(given.source)
    with pytest.raises(InputError):
        read_path(given.source, ["table"], "diagnosis")


@pytest.mark.slow
def test_many_hostile_tables(tmp_path: Path) -> None:
    found = _tried(range(FEW, FEW + MANY), tmp_path, audited=20)
    assert all(found[kind, outcome] for kind in KINDS for outcome in ("right", "refused")), found


def test_a_message_stays_on_one_line_whatever_it_quotes() -> None:
    with pytest.raises(InputError) as refused:
        leakbench.audit("members\n\x1b[31m.csv", members="split", nonmembers="more\nrecords")
    assert str(refused.value).isprintable()
