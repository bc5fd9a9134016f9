"""`leakbench bundle`: a report for an output checker."""

from typing import Annotated

import typer

from ...core.printable import printable
from ..options import check_folder


def bundle(
    report: Annotated[
        str, typer.Argument(metavar="REPORT", help="The folder of a report.", show_default=False)
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for the bundle.")],
) -> None:
    """Collect a report with what an output checker needs.

    The folder holds the report, its tables, a JSON Schema, the checksum of every file, and a checklist of what an
    authority requires of a claim that a model is anonymous, beside what was measured. Both pages can be printed.

    \b
    Example:
      leakbench bundle report --out bundle
    """
    from ...report.bundle import bundle as written

    check_folder(out, "--out")
    typer.echo(printable(f"bundle: {written(report, out)}"))
