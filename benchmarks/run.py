"""Measure ratios against the forms that other tools use, and write them to docs/benchmarks.md.

Run: python benchmarks/run.py [NAME ...]   with the names of files beside this one; without names all. Sections that
are not run stay as they are, as does `gpu` on a machine without a GPU. Needs MNIST, CIFAR-10 and
Location-30 in the folder that LEAKBENCH_DATA names, and a machine with nothing else to do. A benchmark is no test: no
ratio is too small to be written.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ratios import HEAD

from leakbench.core.provenance import hardware, versions

NAMES = ("training", "queries", "stages", "attacks", "costs", "metrics", "pages", "sizes", "gpu")
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main(names: list[str]) -> None:
    """Run the benchmarks of these names, and put each table where the last one was."""
    page = PAGE.read_text()
    for name in names or NAMES:
        benchmark = importlib.import_module(name)
        if not getattr(benchmark, "available", lambda: True)():
            print(f"{name}: not measured, it needs {benchmark.NEEDS}", flush=True)
            continue
        lines = []
        for line in measured(benchmark):  # of which the next may take minutes
            print(line, flush=True)
            lines.append(line)
            now = replaced(page, name, "\n".join([*lines, "", f"Measured on {machine()}."]))
            PAGE.write_text(now)
        page = now


def measured(benchmark: ModuleType) -> Iterator[str]:
    """The lines of a section: those that the benchmark gives, or a table of its ratios."""
    if hasattr(benchmark, "lines"):
        yield from benchmark.lines()
        return
    yield from HEAD
    for ratio in benchmark.ratios():
        yield ratio.line


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
