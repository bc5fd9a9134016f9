"""What the command line shows: tables, flags and progress. rich is imported when something is shown."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..core.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..core.progress import Progress
    from ..core.registry import Registry
    from ..core.results import Flag
    from ..evaluation.selfcheck import Check
    from ..pipeline.dry_run import Work
    from ..pipeline.synthesize import Made
    from ..report.results import Results

MOST_NOTES, LONGEST_NOTE = 12, 400  # lines, and characters of one
PIPE_WIDTH = 120  # columns of a table that no terminal shows


@contextmanager
def progress() -> "Iterator[Progress]":
    """Bars or lines on stderr, until the work ends or fails."""
    from ..core.progress import progress_on

    shown = progress_on(sys.stderr)
    try:
        yield shown
    finally:
        shown.done()


def say(line: str) -> None:
    """A line on stderr."""
    typer.echo(printable(line), err=True)


def show(results: "Results", page: Path) -> None:
    """The table, the verdict, worst case, predicted risk, white-box attacks, bounds on epsilon, a flag of each kind,
    the report's place, the notes.
    """
    from ..report.predicted_risk import risk_line
    from ..report.tables.privacy import bounds_line
    from ..report.tables.tables import terminal_table
    from ..report.tables.white_box import white_box_line
    from ..report.verdict import verdict
    from ..report.view import View
    from ..report.worst_case import finding

    console, view = _console(), View(results)
    console.print(terminal_table(view))
    _print_line(console, f"verdict: {verdict(view).text}")
    if (worst := finding(view)) is not None:
        _print_line(console, f"worst case: {worst}")
    if (risk := risk_line(view)) is not None:
        _print_line(console, risk)
    if (parameters := white_box_line(view)) is not None:
        _print_line(console, parameters)
    if (bounds := bounds_line(view)) is not None:
        _print_line(console, bounds)
    by_code: dict[str, list[Flag]] = {}
    for flag in results.flags:
        by_code.setdefault(flag.code, []).append(flag)
    for code, (first, *others) in by_code.items():
        more = f" (and {len(others)} more of these, in the report)" if others else ""
        _print_line(console, f"{code} {first.title}: {first.message}{more}")
    _print_line(console, f"report: {page}", soft_wrap=True)
    show_notes(results.notes)


def _print_line(console: "Console", line: str, soft_wrap: bool = False) -> None:
    """The line after an empty one."""
    console.print(f"\n{printable(line)}", markup=False, highlight=False, soft_wrap=soft_wrap)


def show_notes(notes: "Sequence[str]") -> None:
    """What was left out and why, on stderr."""
    from ..report.notes import grouped

    lines = [printable(note) for note in grouped(notes)]
    for line in lines[:MOST_NOTES]:
        end = "" if len(line) <= LONGEST_NOTE else " ..."
        print(f"note: {line[:LONGEST_NOTE]}{end}", file=sys.stderr)
    if len(lines) > MOST_NOTES:
        print(f"note: {len(lines) - MOST_NOTES} more", file=sys.stderr)


def show_made(made: "Made", file: Path) -> None:
    """How much synthetic records leak, and where they are."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for what, value in made.summary().items():
        _add(table, what, value)
    console = _console()
    console.print(table)
    _print_line(console, f"records: {file}", soft_wrap=True)
    show_notes(made.notes)


def show_forecast(work: "Sequence[Work]") -> None:
    """What is left to do, and what it takes, line by line and together."""
    from rich.table import Table

    from ..core.progress import duration

    table = Table(box=None, pad_edge=False)
    table.add_column("Work")
    for title in ("Pieces", "Left", "Time", "Disk"):
        table.add_column(title, justify="right")
    for each in work:
        time = "not measured" if each.seconds is None else duration(each.seconds)
        rest = ("-", "-") if not each.left else (time, size(each.disk) if each.disk else "-")
        _add(table, each.what, str(each.pieces), str(each.left), *rest)
    unknown = " and what was not measured" if any(each.seconds is None and each.left for each in work) else ""
    console = _console()
    console.print(table)
    seconds, disk = sum(each.seconds or 0.0 for each in work), sum(each.disk for each in work)
    height = size(max(each.memory for each in work))
    told = f"about {duration(seconds)}{unknown}; {size(disk)} of disk; up to {height} of memory"
    _print_line(console, told)


def size(n: float) -> str:
    """Bytes in the unit that people would use.

    >>> size(512), size(3_200_000), size(4.5e9)
    ('512 B', '3 MB', '4.5 GB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= factor:
            return f"{n / factor:.{int(unit == 'GB')}f} {unit}"
    return f"{n:.0f} B"


def show_methods(registry: "Registry[Any]") -> None:
    """The names of a registry, what each one does, and its source."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        registry.kind, "what it does, and its source", box=None, pad_edge=False, header_style="bold"
    )
    for name in registry.names():
        method = registry.get(name)
        what = method.summary() + _variant(method.variants.get(name))
        table.add_row(
            printable(name), Text.assemble(printable(what), "\n", (printable(method.source), "dim"))
        )
    _console().print(table)


def show_checks(checks: "Sequence[Check]") -> None:
    """What was expected and what was measured."""
    from rich.table import Table

    table = Table("check", "expected", "measured", "", box=None, pad_edge=False, header_style="bold")
    for check in checks:
        passed = "ok" if check.passed else "FAILED"
        _add(table, check.name, f"{check.expected:.6g}", f"{check.measured:.6g}", passed)
    _console().print(table)


def show_table(titles: "Sequence[str]", lines: "Sequence[Sequence[str]]", *after: str) -> None:
    """A table of texts, and the lines that come after it."""
    from rich.table import Table

    table = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for line in lines:
        _add(table, *line)
    console = _console()
    console.print(table)
    console.print()
    for text in after:
        console.print(printable(text), markup=False, highlight=False)


def _add(table: "Table", *cells: str) -> None:
    """A line of cells as they are: rich would read markup in them."""
    from rich.text import Text

    table.add_row(*(Text(printable(cell)) for cell in cells))


def _variant(parameters: dict[str, Any] | None) -> str:
    """What sets a variant apart from the method that it belongs to."""
    return f" ({', '.join(f'{k} = {v}' for k, v in parameters.items())})" if parameters else ""


def _console() -> "Console":
    from rich.console import Console

    columns = os.environ.get("COLUMNS", "")
    wanted = int(columns) if columns.isdecimal() and int(columns) else PIPE_WIDTH
    return Console(width=None if sys.stdout.isatty() else wanted)
