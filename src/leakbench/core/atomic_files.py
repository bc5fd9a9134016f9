"""Saves files together: all or none, one process at a time, and only over files that leakbench wrote."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError, LeakbenchError
from .regular_files import is_folder

Ours = Callable[[Path], bool]  # whether leakbench wrote a file
OLD = "old-"  # prefix of the copy that restores a file if a later one fails


@contextmanager
def one_at_a_time(folder: Path, reading: bool = False) -> Iterator[bool]:
    """A lock on a folder: no other process or thread saves there while the block runs; several may read.

    Yields False if the system or the file system has no such locks. A mixture of two savers then shows in the identity
    that each file holds.
    """
    if sys.platform == "win32" or not folder.is_dir():
        yield False
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        locked = True
        try:
            fcntl.flock(handle, fcntl.LOCK_SH if reading else fcntl.LOCK_EX)
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(handle)


def check_ours(folder: Path, names: Iterable[str], ours: Ours) -> None:
    """Raise InputError if a file of one of these names is in the folder that leakbench did not write."""
    for path in (folder / name for name in names):
        if os.path.lexists(path) and not ours(path):
            raise InputError(
                f"{path} would be replaced, but leakbench did not write it; move it away, or choose another folder"
            )


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Raise LeakbenchError where the folder of a report or the like cannot be written."""
    try:
        yield
    except OSError as error:
        raise LeakbenchError(
            f"the {what} needs a folder that can be written, got {folder}: {error.strerror or error}; "
            "free some space or choose another folder"
        ) from None


def save_together(
    made: Callable[[], Mapping[str, bytes | None]], folder: Path, prefix: str, ours: Ours
) -> None:
    """Write files into a folder, by way of a temporary folder in it.

    A failure restores the files that were there before. Temporary folders of killed processes are removed.

    Args:
        made: Returns the contents by name; None removes a file. It is called under the lock of the folder.
        folder: The folder, which is made if it is missing.
        prefix: The prefix of the names of temporary folders.
        ours: Whether leakbench wrote a file, so that it may be replaced.

    Raises:
        InputError: A file would be replaced that leakbench did not write.
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder) as alone:
        contents = made()
        check_ours(folder, contents, ours)
        if alone:
            sweep(folder, prefix, contents)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as scratch:
            _replace_all(contents, folder, Path(scratch))


def sweep(folder: Path, prefix: str, names: Iterable[str]) -> None:
    """Remove our files from the temporary folders of killed savers, and those folders."""
    own = {name for each in names for name in (each, OLD + each)}
    for path in folder.iterdir():
        if re.fullmatch(re.escape(prefix) + "[a-z0-9_]{8}", path.name) and is_folder(path):
            for name in own:
                (path / name).unlink(missing_ok=True)
            with suppress(OSError):  # the folder holds other files too
                path.rmdir()


def _replace_all(contents: Mapping[str, bytes | None], folder: Path, scratch: Path) -> None:
    for name, content in contents.items():
        if content is not None:
            with open(scratch / name, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
    done: list[str] = []
    try:
        for name, content in contents.items():
            if (folder / name).exists():
                shutil.copyfile(folder / name, scratch / (OLD + name))
            if content is None:
                (folder / name).unlink(missing_ok=True)
            else:
                os.replace(scratch / name, folder / name)
            done.append(name)
    except OSError:
        for name in done:
            _put_back(folder / name, scratch / (OLD + name))
        raise


def _put_back(path: Path, old: Path) -> None:
    if old.exists():
        os.replace(old, path)
    else:
        path.unlink(missing_ok=True)
