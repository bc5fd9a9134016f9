"""`leakbench doctor`: is this machine ready?"""

import shutil
import textwrap
from typing import Annotated

import typer

from ...core.printable import printable
from ..options import StoreFolder

PART, STATUS = 17, 9  # columns of the first two parts of a line


def doctor(
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder of the data sets.", show_default="LEAKBENCH_DATA"),
    ] = None,
    store: StoreFolder = "leakbench-store",
) -> None:
    """Check that this machine is ready.

    Looks at Python, packages, plug-ins, CPU, memory, GPU, data and store.
    A note is about something optional. The exit code is 1 if there is a problem.

    \b
    Examples:
      leakbench doctor
      leakbench doctor --store /shared/store --data /shared/data
    """
    from ...pipeline.doctor import doctor as diagnose

    found = diagnose(data, store)
    width = max(60, shutil.get_terminal_size((120, 24)).columns)
    for each in found:  # without rich, which may be what is broken
        start = f"{each.part:{PART}}{each.status:{STATUS}}"
        typer.echo(
            textwrap.fill(printable(start + each.text), width, subsequent_indent=" " * (PART + STATUS))
        )
    problems = sum(each.status == "problem" for each in found)
    typer.echo(f"\n{problems} problems" if problems != 1 else "\n1 problem")
    raise typer.Exit(int(problems > 0))
