"""`leakbench verify`: is a report as it was written?"""

from typing import Annotated

import typer

from .. import terminal


def verify(
    report: Annotated[
        str, typer.Argument(metavar="REPORT", help="The folder of a report.", show_default=False)
    ],
) -> None:
    """Check a report, and compute its numbers again.

    Files, digests and tables must be as they were written, and the scores must give the values and intervals.
    The exit code is 1 if something differs.

    \b
    Example:
      leakbench verify report
    """
    from ...evaluation.decisions.verify import verify as findings

    with terminal.progress() as progress:
        found = findings(report, progress)
    differing = sum(each.status == "differs" for each in found)
    terminal.show_table(
        ("Part", "", "Found"),
        [(each.part, each.status, each.text) for each in found],
        f"{differing} of {len(found)} findings differ" if differing else "nothing differs",
    )
    raise typer.Exit(int(differing > 0))
