"""Hostile audit files and arrays: a right result or one line, in bounded time and memory."""

from collections import Counter
from pathlib import Path

import pytest

from .audits import KINDS, bounded, hostile_audit, outcome, size_of

FEW, MANY = 300, 20_000


def _tried(numbers: range, folder: Path, audited: int, saved: int) -> Counter[tuple[str, str]]:
    """The outcomes by kind; every so many are audited, and the report of every so many is saved."""
    found: Counter[tuple[str, str]] = Counter()
    for number in numbers:
        given = hostile_audit(number, folder)
        save = folder / "report" if number % saved == 0 else None
        try:
            with bounded(size_of(given)):
                found[KINDS[number % len(KINDS)], outcome(given, number % audited == 0, save)] += 1
        except BaseException as error:
            error.add_note(f"hostile audit {number}")
            raise
    return found


def test_hostile_audits(tmp_path: Path) -> None:
    found = _tried(range(FEW), tmp_path, audited=15, saved=FEW)
    assert sum(found.values()) == FEW
    assert all(found[kind, "right"] >= 5 and found[kind, "refused"] >= 10 for kind in KINDS), found


@pytest.mark.slow
def test_many_hostile_audits(tmp_path: Path) -> None:
    for first in range(FEW, FEW + MANY, 1000):
        folder = tmp_path / str(first)
        folder.mkdir()
        found = _tried(range(first, first + 1000), folder, audited=2, saved=20)
        assert all(found[kind, outcome] for kind in KINDS for outcome in ("right", "refused")), found
