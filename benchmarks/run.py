"""Measure ratios against the forms that other tools use, and write them to docs/benchmarks.md.

Run: python benchmarks/run.py [NAME ...]   with the names of files beside this one; without names all. Sections that
are not run stay as they are, as does `gpu` on a machine without a GPU. Needs MNIST, CIFAR-10 and
Location-30 in the folder that LEAKBENCH_DATA names, and a machine with nothing else to do. A benchmark is no test: no
ratio is too small to be written. history.json beside this file keeps each ratio; what fell by more than a fifth on the
same CPU is reported at the end.
"""

import importlib
import json
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ratios import HEAD, Ratio

from leakbench.core.provenance import hardware, versions

NAMES = ("training", "queries", "stages", "attacks", "costs", "metrics", "pages", "sizes", "gpu")
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HISTORY = Path(__file__).parent / "history.json"
FALLEN = 0.8  # of the highest earlier ratio on the same CPU


def main(names: list[str]) -> None:
    """Run the benchmarks of these names, and put each table where the last one was."""
    for name in names:
        if name not in NAMES:
            raise SystemExit(f"there is no benchmark {name!r}; choose from {', '.join(NAMES)}")
    page, fallen = PAGE.read_text(), list[str]()
    for name in names or NAMES:
        benchmark = importlib.import_module(name)
        if not getattr(benchmark, "available", lambda: True)():
            print(f"{name}: not measured, it needs {benchmark.NEEDS}", flush=True)
            continue
        lines = []
        for line in measured(benchmark):  # of which the next may take minutes
            if isinstance(line, Ratio):
                fallen += remembered(name, line)
                line = line.line
            print(line, flush=True)
            lines.append(line)
            now = replaced(page, name, "\n".join([*lines, "", f"Measured on {machine()}."]))
            PAGE.write_text(now)
        page = now
    print(
        "\n".join(
            ["", "fell by more than a fifth:", *fallen]
            if fallen
            else ["", "no ratio fell by more than a fifth"]
        )
    )


def remembered(section: str, ratio: Ratio) -> list[str]:
    """Add a ratio to the history; a line if it fell."""
    history = json.loads(HISTORY.read_text())
    about = {"section": section, "what": ratio.what, "cpu": hardware()["cpu"]}
    earlier = [e["ratio"] for e in history if about.items() <= e.items()]
    times = statistics.median(ratio.other) / statistics.median(ratio.ours)
    history.append({**about, "ratio": round(times, 3), "leakbench": versions()["leakbench"]})
    HISTORY.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in history) + "\n]\n")
    if not earlier or times >= FALLEN * max(earlier):
        return []
    return [f"{section}: {ratio.what}: {times:.3g}x, was {max(earlier):.3g}x"]


def measured(benchmark: ModuleType) -> Iterator[str | Ratio]:
    """The lines of a section: those that the benchmark gives, or a table of its ratios."""
    if hasattr(benchmark, "lines"):
        yield from benchmark.lines()
        return
    yield from HEAD
    yield from benchmark.ratios()


def replaced(page: str, name: str, table: str) -> str:
    """The page with another table between the marks of `name`."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    found = re.search(f"{begin}.*{end}", page, re.DOTALL)
    if found is None:
        raise SystemExit(f"{PAGE} must hold {begin} and {end}; put them where the table belongs")
    return f"{page[: found.start()]}{begin}\n\n{table}\n\n{end}{page[found.end() :]}"


def machine() -> str:
    """Hardware and versions, in a line."""
    about, found = hardware(), versions()
    numeric = ("python", "numpy", "scipy", "scikit-learn", "torch")
    return f"{about['cpu']}, {about['cores']} cores; " + ", ".join(
        f"{n} {found[n]}" for n in numeric if n in found
    )


if __name__ == "__main__":
    main(sys.argv[1:])
