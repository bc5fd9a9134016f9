"""`leakbench compare`: reports side by side."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from .. import terminal
from ..options import write_file


def compare(
    reports: Annotated[
        list[str],
        typer.Argument(
            metavar="REPORTS",
            help="Folders of two or more reports; the first is the reference.",
            show_default=False,
        ),
    ],
    page: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the comparison as an HTML page.", show_default=False),
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the comparison as JSON.", show_default=False)
    ] = None,
) -> None:
    """Compare reports with the first of them.

    Differences are paired by record where both reports have the same records and memberships. Otherwise they are
    unpaired, and the table says so. Reports that cannot be compared are refused: another kind, other data, or attacks
    that are defined otherwise.

    \b
    Examples:
      leakbench compare report-before report-after
      leakbench compare a b c --page comparison.html
    """
    from ...evaluation.decisions.compare import compare as compared
    from ...report.report_pairs import PAGE_MARK, SCHEMA, reports_in_words

    found = compared(*reports)
    if json is not None:
        content = json_module.dumps(found.to_dict(), indent=2).encode("utf-8", "replace")
        write_file(Path(json), content, SCHEMA)
    if page is not None:
        write_file(Path(page), found.page().encode("utf-8", "replace"), PAGE_MARK)
    lines = [
        (f"{found.letters[pair.other]}, {pair.defence}", pair.title, a, b, change, verdict)
        for pair in found.main
        for a, b, change, verdict in [pair.cells]
    ]
    titles = ("Defence", "Number", "A", "Other", "Difference", "Verdict")
    notes = (f"note: {note}" for note in found.notes)
    terminal.show_table(titles, lines, *reports_in_words(found), *notes)
