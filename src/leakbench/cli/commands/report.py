"""`leakbench report`: the page of a saved report, written again."""

from pathlib import Path
from typing import Annotated

import typer

from ...core.errors import LeakbenchError
from .. import terminal


def report(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="A folder with report.json.", show_default=False)
    ],
) -> None:
    """Write report.html again from report.json and the tables.

    \b
    Example:
      leakbench report demo-report
    """
    from ...report.results import Results, not_ours

    results = Results.load(folder)
    path = Path(folder)
    try:
        page = results.save(path if path.is_dir() else path.parent)
    except LeakbenchError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise not_ours(path, f"it cannot be drawn ({type(error).__name__}: {error})") from None
    terminal.show(results, page)
