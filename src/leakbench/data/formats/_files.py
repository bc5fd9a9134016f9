"""Opens files. The error for a file of another type than its name says what it is instead."""

import os
import struct
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...core.errors import InputError
from ..audit_file.tables import refuse_bomb

MAGIC = (
    (b"\x1f\x8b", "gzip data"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"PAR1", "a parquet file"),
    (b"\x93NUMPY", "an npy array"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x00\x00\x08", "an idx file"),
)
EXPANSION = 100  # times its size to which an archive or a parquet file of records may expand (Texas-100: 60)
LONGEST = 300  # characters of another library's message
BAD_CONTENT = (
    AttributeError,
    IndexError,
    OSError,
    OverflowError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,  # zipfile, for an encrypted file; RecursionError; pyarrow, for a type that it cannot convert
    SyntaxError,  # Pillow, for a broken PNG
    struct.error,
    tokenize.TokenError,  # numpy, for a broken header
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
)


def describe_content(head: bytes) -> str:
    """The type of content that begins with `head`."""
    for magic, what in MAGIC:
        if head.startswith(magic):
            return what
    if not head:
        return "an empty file"
    if head.lstrip()[:5].lower() in (b"<html", b"<!doc", b"<?xml"):
        return "a web page"
    if b"\x00" not in head and head.isascii():
        return f"text beginning {head[:20].decode('ascii')!r}"
    return f"bytes beginning {head[:4].hex(' ')}"


def describe_file(path: Path) -> str:
    """The type of a file by its content."""
    if path.is_dir():
        return "a folder"
    with path.open("rb") as file:
        return describe_content(file.read(256))


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turns every error of a reader into one InputError: `path` must be `what`, got something else."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{error.filename or path} must be {what}, got no such file") from None
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path} must be {what} that can be read, got: {error.strerror}") from None
    except BAD_CONTENT as error:
        reason = str(error).splitlines()[0][:LONGEST] if str(error) else type(error).__name__
        raise InputError(f"{path} must be {what}, got {describe_file(path)} ({reason})") from None


def refuse_special(path: Path) -> None:
    """Raise InputError for a pipe, a device or a socket, at `path` or anywhere below it: reading one may never end."""
    entries = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    for each in [path] if not path.is_dir() else entries:
        if each.exists() and not each.is_file():
            raise InputError(
                f"{each} must be a file or a folder, got a pipe, a device or a socket; take it away"
            )


def is_archive(path: Path) -> bool:
    """Whether the name is that of a compressed tar archive."""
    return path.is_file() and path.name.endswith((".tgz", ".tar.gz"))


def streams(path: Path, names: Collection[str] = ()) -> Iterator[tuple[str, IO[bytes]]]:
    """The plain files of a folder or of a tar archive, one after the other, as (name inside it, open file).

    Only those whose last name is one of `names`, if given. Nothing is written to disk, and an archive is
    unpacked once, whatever the order of its files.
    """
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and (not names or file.name in names):
                with file.open("rb") as stream:
                    yield file.relative_to(path).as_posix(), stream
        return
    with tarfile.open(path, "r:gz") as archive:
        size = 0
        for member in archive:
            size += member.size
            refuse_bomb(path, size, EXPANSION, "unpack it into a folder")
            unpacked = archive.extractfile(member) if member.isfile() else None
            if unpacked is not None and (not names or Path(member.name).name in names):
                yield member.name, unpacked
