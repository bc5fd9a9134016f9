"""What several commands take, and whether it can be used; better said now than in an hour."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.atomic_files import save_together
from ..core.errors import InputError, require, unknown
from ..core.regular_files import MOST, NotRegularError, open_regular, parse_json

if TYPE_CHECKING:
    from ..pipeline.executors.base import Executor

HEAD = 4096  # bytes of a file in which the mark of leakbench stands

Out = Annotated[
    str,
    typer.Option(metavar="DIR", help="Folder for report.html, report.json, and the tables as parquet files."),
]


StudyPath = Annotated[
    str, typer.Argument(metavar="STUDY", help="The study, a TOML file.", show_default=False)
]
StoreFolder = Annotated[
    str,
    typer.Option("--store", metavar="DIR", help="Folder or URL for trained models and their outputs."),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the study; may be given several times."),
]
AllowImports = Annotated[
    bool,
    typer.Option(
        "--allow-imports",
        help="Import and run code that is named as module:name, outside leakbench's methods.",
    ),
]


def chosen_executor(
    name: str,
    address: str | None,
    workers: int | None,
    cpus: int | None,
    gpus: float | None,
    on_gpu: bool,
) -> "Executor | None":
    """The executor; None for processes of this machine. `on_gpu`: each worker has one GPU, unless `gpus` is given."""
    if name == "local":
        if (address, cpus, gpus) != (None, None, None):
            raise InputError("--address, --cpus and --gpus are about a Ray cluster; add --executor ray")
        return None
    if name != "ray":
        raise unknown("executor", name, ("local", "ray"))
    require("ray")
    from ..pipeline.executors.ray import RayExecutor

    return RayExecutor(address or "auto", cpus or 1, float(on_gpu) if gpus is None else gpus, workers)


def names(separated: str) -> list[str]:
    """The names of `--attacks` or `--metrics`, which commas separate."""
    return [name.strip() for name in separated.removesuffix(",").split(",")]


def shares(text: str) -> tuple[float, float]:
    """The two shares of `--guesses`. Raises InputError unless they are two numbers with a comma between them."""
    try:
        top, bottom = map(float, text.split(","))
    except ValueError:
        raise InputError(f"--guesses must be two shares such as 0.05,0, got {text!r}") from None
    return top, bottom


def check_store(place: str) -> None:
    """Raise InputError for a folder that cannot be made or written, StoreError for one that is no store.

    A URL is looked at when it is opened.
    """
    if "://" not in place:
        check_folder(place, "--store")
        from ..core.store.owned import check_owned

        check_owned(Path(place))


def check_report(folder: str) -> None:
    """Raise InputError unless a report can be written into a folder, in the place of nothing but one of ours."""
    check_folder(folder, "--out")
    from ..core.atomic_files import check_ours
    from ..report.identity import FILES, is_ours

    check_ours(Path(folder), FILES, is_ours)


def check_log(path: Path) -> None:
    """Raise InputError for a file that is no log of leakbench: a run appends its events there."""
    try:
        with open_regular(path) as file:
            first = file.readline(MOST)
        told = parse_json(first) if first else {"event": None, "process": None}
        ours = isinstance(told, dict) and {"event", "process"} <= told.keys()
    except FileNotFoundError:
        return
    except (NotRegularError, ValueError):
        ours = False
    if not ours:
        raise InputError(
            f"{path} must be a log of leakbench, or not there; move it away, or choose another place"
        )


def check_folder(folder: str, option: str) -> None:
    """Raise InputError unless a folder can be made or written there; better now than in an hour."""
    if not folder:
        raise InputError(f"{option} must be a folder, got an empty name; write . for the current one")
    path = Path(folder).absolute()
    there = next(p for p in (path, *path.parents) if os.path.lexists(p))
    if not there.is_dir():
        what = "a file" if there.exists() else "a broken link"
        raise InputError(f"{option} must be a folder, but {there} is {what}; choose another place")
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{option} must be a folder that can be written, got {folder}: {reason}") from None


def write_file(path: Path, content: bytes, mark: str) -> None:
    """Write a file whole, or in the place of an earlier one that has `mark` near its beginning.

    Raises InputError if the file cannot be written, or would replace one that leakbench did not write.
    """

    def ours(there: Path) -> bool:
        try:
            with open_regular(there) as file:
                return mark.encode() in file.read(HEAD)
        except OSError:
            return False

    try:
        save_together(lambda: {path.name: content}, path.parent, f".{path.name}-", ours)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose another place") from None
