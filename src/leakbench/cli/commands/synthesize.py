"""`leakbench synthesize`: synthetic records, and how much they leak."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import terminal
from ..options import AllowImports, check_folder


def synthesize(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A data set of `leakbench list data`, or a path.", show_default=False
        ),
    ],
    generator: Annotated[
        str, typer.Option(metavar="NAME", help="One of `leakbench list generators`.", show_default=False)
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="DIR", help="Folder for synthetic.npz and, of images, samples.png.", show_default=False
        ),
    ],
    records: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of records to make; default: as many as fitted on."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A parameter of the generator; may be given several times."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    allow_imports: AllowImports = False,
) -> None:
    """Make synthetic records, and measure how much they leak.

    The generator is fitted on the pool of the data set. Attacks that see only the synthetic records then try to
    separate the pool from the test part; chance is an AUC of 0.5.

    \b
    Examples:
      leakbench synthesize digits --generator image_vae --out digits-vae
      leakbench synthesize table.csv --generator tabular_vae --out made
      leakbench synthesize location30 --generator chow_liu --out made
    """
    from ...core.atomic_files import check_ours
    from ...core.config import override
    from ...pipeline.synthesize import OUT, is_ours
    from ...pipeline.synthesize import synthesize as make

    check_folder(out, "--out")
    check_ours(Path(out), OUT, is_ours)
    table: dict[str, Any] = {"name": generator}
    for assignment in changes or ():
        override(table, assignment)
    with terminal.progress() as progress:
        made = make(data, table, records, seed, progress, allow_imports)
    file = made.save(out)
    terminal.show_made(made, file)
