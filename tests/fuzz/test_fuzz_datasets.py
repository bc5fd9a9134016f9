"""Hostile data sets: a right result or one line, in bounded time and memory."""

from collections import Counter
from pathlib import Path

import pytest

from .audits import bounded, size_of
from .datasets import FORMATS, hostile_data, outcome

FEW, MANY = 8 * len(FORMATS), 500 * len(FORMATS)


def _tried(numbers: range, folder: Path) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for number in numbers:
        path = hostile_data(number, folder)
        try:
            with bounded(size_of(folder / str(number))):
                found[FORMATS[number % len(FORMATS)], outcome(path)] += 1
        except BaseException as error:
            error.add_note(f"hostile data {number}")
            raise
    return found


def test_hostile_data_sets(tmp_path: Path) -> None:
    found = _tried(range(FEW), tmp_path)
    assert all(found[name, "right"] >= 1 and found[name, "refused"] >= 1 for name in FORMATS), found


@pytest.mark.slow
def test_many_hostile_data_sets(tmp_path: Path) -> None:
    for first in range(FEW, FEW + MANY, 800):
        folder = tmp_path / str(first)
        folder.mkdir()
        found = _tried(range(first, first + 800), folder)
        assert all(found[name, outcome] for name in FORMATS for outcome in ("right", "refused")), found
