"""`leakbench new`: a study file to start from."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ...core.errors import InputError
from .. import terminal


def new(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of the study; the file is NAME.toml.", show_default=False),
    ],
    like: Annotated[
        str,
        typer.Option(
            "--like", metavar="STUDY", help="The study to copy; `leakbench list studies` lists them."
        ),
    ] = "start",
) -> None:
    """Write a study file to start from.

    The file runs as it is, on handwritten digits. Its comments say what to change for your own data, network, defences
    and attacks.

    \b
    Examples:
      leakbench new mine
      leakbench new mine --like small/synthshield
    """
    from ...pipeline.shipped_studies import shipped_study

    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    content = shipped_study(like).read_bytes()
    try:
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError:
        raise InputError(f"{path} is there already; choose another name, or move it away") from None
    shown = os.fspath(path)
    terminal.say(
        f"wrote {shown}; run it with: {shlex.join(['leakbench', 'run', shown, '--out', f'{path.stem}-report'])}"
    )
