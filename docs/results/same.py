"""How many numbers of two reports are the same bit for bit: `python docs/results/same.py OUT OTHER`."""

import sys
from pathlib import Path

import pyarrow.parquet as pq

NUMBERS = ("value", "lo", "hi", "detail")
TIMES = ("train_", "latency_")  # how the metrics begin that are never the same twice


def rows(folder: str) -> dict[tuple[object, ...], tuple[object, ...]]:
    """The numbers of each row, by what it is about."""
    table = pq.read_table(Path(folder) / "results.parquet").to_pylist()
    about = [name for name in table[0] if name not in NUMBERS]
    return {tuple(row[name] for name in about): tuple(repr(row[name]) for name in NUMBERS) for row in table}


if __name__ == "__main__":
    first, second = map(rows, sys.argv[1:])
    assert first.keys() == second.keys(), "they are not about the same"
    others = [about for about in first if first[about] != second[about]]
    times = [about for about in others if str(about[0]).startswith(TIMES)]
    print(f"{len(first):,} rows, {len(others):,} differ, {len(times):,} of these in times")
    for about in others:
        if about not in times:
            print(*about)
