"""`leakbench download`: the published files of a data set."""

from typing import Annotated

import typer

from ...core.printable import printable
from .. import terminal
from ..options import check_folder


def download(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A data set of `leakbench list data`.", show_default=False),
    ],
    to: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder of the data sets; LEAKBENCH_DATA if not given."),
    ] = None,
) -> None:
    """Download the published files of a data set.

    Checksums are verified: damaged downloads are deleted, and existing files are not downloaded again. A file of the
    same name with other content is renamed to NAME.other-1.

    \b
    Examples:
      leakbench download mnist --to data
      leakbench download cifar10
    """
    from ...data import download as fetch

    if to is not None:
        check_folder(to, "--to")
    with terminal.progress() as progress:
        folder = fetch(name, to, progress)
    typer.echo(printable(f"{name} is in {folder}"))
