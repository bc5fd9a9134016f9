"""Downloads the published files of known data sets. Files are checked before they get their name."""

import hashlib
import http.client
import itertools
import math
import os
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..core.errors import InputError
from ..core.progress import NullProgress, Progress
from .sets import DATASETS, File, data_folder

MB = 1_000_000  # bytes of a step of progress
PATIENCE = 30.0  # seconds without a byte


def download(name: str, to: str | os.PathLike[str] | None = None, progress: Progress | None = None) -> Path:
    """Download the published files of a known data set to the folder `to`/name, and return the folder.

    Published files that are there already stay. Another file of the same name is renamed to NAME.other-1. `to` is
    LEAKBENCH_DATA unless it is given. Raises InputError, and leaves nothing behind, if a file cannot be downloaded or
    is not the published one; the message says which file to put where.
    """
    known = DATASETS.get(name)
    root = data_folder(to)
    if root is None:
        raise InputError(
            "a download must have a folder to go to, got none; give --to DIR or set LEAKBENCH_DATA"
        )
    folder = root / known.name
    if not known.files:
        raise InputError(f"data set {name!r} comes with a package that leakbench needs; nothing to download")
    if not known.can_download():
        raise InputError(
            f"data set {name!r} must be downloaded manually, because it has no known checksum; "
            f"{known.instructions(str(folder))}"
        )
    if known.lies_in(folder) and not any((folder / file.name).exists() for file in known.files):
        return folder  # in another format
    for file in known.files:
        fetch(file, known.home, folder, progress or NullProgress())
    return folder


def fetch(file: File, home: str, folder: Path, progress: Progress) -> None:
    """Download one file into the folder, unless it is there. Raises InputError if that fails."""
    target, url = folder / file.name, f"{home}/{file.name}"
    kind, checksum = file.checksum.split(":")
    if target.is_file() and _checksum(target, kind) == checksum:
        return
    part = folder / f".{file.name}.{os.getpid()}.part"
    progress.stage(f"{file.name}, MB", math.ceil(file.size / MB))
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "leakbench"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            folder.mkdir(parents=True, exist_ok=True)
            _copy(response, part, file.size, progress)
        if (got := _checksum(part, kind)) != checksum:
            raise ValueError(f"its {kind} is {got}")
        if os.path.lexists(target):
            target.rename(_free_name(target))
        part.replace(target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # the error is also the response
        raise InputError(
            f"{url} must be there with {kind} {checksum}, got: {_reason(error)}; "
            f"try again, or put the file at {target} manually"
        ) from None
    finally:
        with suppress(OSError):
            part.unlink()


def _free_name(target: Path) -> Path:
    """A free name beside a file."""
    names = (target.with_name(f"{target.name}.other-{n}") for n in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def _copy(response: IO[bytes], part: Path, size: int, progress: Progress) -> None:
    """Write the response to a file. Raises ValueError if it has fewer or more bytes than announced."""
    got = 0
    with part.open("xb") as out:
        while chunk := response.read(min(MB, size + 1 - got)):
            out.write(chunk)
            got += len(chunk)
            progress.advance()
        out.flush()
        os.fsync(out.fileno())
    if got != size:
        raise ValueError(f"{'more than the' if got > size else f'{got} of'} {size} bytes")


def _checksum(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", error)  # the cause of a URLError
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return " ".join(str(error).split()) or type(error).__name__
