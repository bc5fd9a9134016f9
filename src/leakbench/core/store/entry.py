"""An entry: a folder with its files and `job.json`, which has a digest of each; written once, verified at reading.

Files are safetensors, npy or JSON: reading them executes nothing. An entry may come from anybody: its list of files
cannot lead out of its folder. A file that is not regular, or not of the format of its name, is damaged.
"""

import errno
import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np

from ..content_key import canonical
from ..errors import StoreError
from ..regular_files import NotRegularError, is_folder, open_regular, parse_json, read_regular

SCHEMA = "leakbench-store-1"
JOB = "job.json"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}\.(npy|safetensors|json)")
DIGEST = re.compile("[0-9a-f]{64}")
TYPES = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"}  # that numpy has
# NumPy parses an array's header as Python source, in which threads of CPython 3.11 disturb each other (gh-106905):
_ONE_HEADER = Lock()

Payload = bytes | np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Entry:
    """A verified entry: its folder, the spec that it was computed from, its metadata, and its files.

    Only these files were verified. Other files in the folder are not read, and raise FileNotFoundError.
    """

    path: Path
    spec: dict[str, Any]
    meta: dict[str, Any]
    files: frozenset[str]

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """An .npy file, memory-mapped and read-only."""
        return _mapped(self._place(name))

    def tensors(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays of a .safetensors file by name."""
        from safetensors.numpy import load_file

        tensors: dict[str, np.ndarray[Any, Any]] = load_file(self._place(name))
        return tensors

    def plain(self, name: str) -> Any:
        """The content of a .json file."""
        return parse_json(read_regular(self._place(name)))

    def _place(self, name: str) -> Path:
        if name not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no file of the entry", str(self.path / name))
        return self.path / name


def expected(array: np.ndarray[Any, Any], shape: tuple[int | None, ...], kinds: str) -> np.ndarray[Any, Any]:
    """The array, if it is of this shape, None for any length, and of one of NumPy's kinds; ValueError otherwise."""
    fits = array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in kinds:
        raise ValueError(
            f"an array must be {list(shape)} of {kinds!r}, got {list(array.shape)} of {array.dtype}"
        )
    return array


class DamagedError(StoreError):
    """A file of an entry is missing or not as it was written."""


def verified(path: Path) -> Entry:
    """The entry at `path`. Raises DamagedError naming the file that is missing or not as it was written."""
    if not is_folder(path):
        raise DamagedError(f"{path} is not a folder")
    job = _job(path / JOB)
    for name, digest in job["files"].items():
        try:
            found = _digest(path / name)
        except FileNotFoundError:
            raise DamagedError(f"{path / name} is missing") from None
        except NotRegularError:
            raise DamagedError(f"{path / name} is not a regular file") from None
        except OSError as error:
            raise _unreadable(path / name, error) from None
        if found != digest:
            raise DamagedError(
                f"{path / name} is not as it was written: SHA-256 {found[:12]}, was {digest[:12]}"
            )
        _check_format(path / name)
    return Entry(path, job["spec"], job["meta"], frozenset(job["files"]))


def _job(path: Path) -> dict[str, Any]:
    """The content of job.json. Raises DamagedError unless it is as `written` wrote it."""
    try:
        content = read_regular(path)
        job: dict[str, Any] = parse_json(content)
        whole = content == _job_text(job["spec"], job["meta"], job["files"]).encode()
        whole = whole and all(isinstance(job[part], dict) for part in ("spec", "meta", "files"))
        whole = whole and all(map(NAME.fullmatch, job["files"])) and JOB not in job["files"]
        whole = whole and all(map(DIGEST.fullmatch, job["files"].values()))
    except (FileNotFoundError, NotRegularError, ValueError, KeyError, TypeError, RecursionError):
        whole = False
    except OSError as error:
        raise _unreadable(path, error) from None
    if not whole:
        raise DamagedError(f"{path} is missing or not as it was written")
    return job


def _check_format(path: Path) -> None:
    """Raise DamagedError for a file that is not of the format of its name. A right digest does not prove the format."""
    try:
        if path.suffix == ".npy":
            _mapped(path)
        elif path.suffix == ".safetensors":
            _check_tensors(path)
        else:
            parse_json(read_regular(path))
    except OSError as error:
        raise _unreadable(path, error) from None
    except Exception as error:  # numpy and safetensors let through whatever their parsers raise
        raise DamagedError(f"{path} is not as it was written: {type(error).__name__}: {error}") from None


def _mapped(path: Path) -> np.ndarray[Any, Any]:
    """An .npy file, memory-mapped and read-only; np.load would open an archive under that name too."""
    with _ONE_HEADER:
        return np.lib.format.open_memmap(path, mode="r")


def _check_tensors(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as tensors:
        found = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
    if found - TYPES:
        raise TypeError(f"numpy has no {min(found - TYPES)}")


def written(
    folder: Path, spec: Mapping[str, Any], files: Mapping[str, Payload], meta: Mapping[str, Any]
) -> None:
    """Write an entry's files into an empty folder, through to the disk."""
    digests = {name: _write(folder / name, payload) for name, payload in sorted(files.items())}
    _write(folder / JOB, _job_text(spec, meta, digests).encode())
    sync(folder)


def _job_text(spec: Mapping[str, Any], meta: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The text of job.json, with a digest over itself."""
    text = canonical({"schema": SCHEMA, "spec": spec, "meta": meta, "files": files})
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({**json.loads(text), "sha256": digest}, indent=1, sort_keys=True) + "\n"


class _Digesting:
    """A file that computes the digest of its content. numpy, given the file itself, does not notice a full disk."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)


def _write(path: Path, payload: Payload) -> str:
    """Write a file through to the disk and return the SHA-256 of its content."""
    with path.open("xb") as file:
        sink = _Digesting(file)
        if isinstance(payload, np.ndarray):
            np.save(sink, payload, allow_pickle=False)
        else:
            sink.write(payload if isinstance(payload, bytes) else _safetensors(payload))
        file.flush()
        os.fsync(file.fileno())
    return sink.digest.hexdigest()


def check_name(name: str) -> None:
    """Raise TypeError for a file that an entry cannot have."""
    if not NAME.fullmatch(name) or name == JOB:
        raise TypeError(f"a file of the store must be named *.npy, *.safetensors or *.json, got {name!r}")


def _safetensors(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    from safetensors.numpy import save

    data: bytes = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    return data


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be read: {error.strerror}; {remedy(path.parent)}")


def sync(folder: Path) -> None:
    """Make the folder's list of files reach the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remedy(path: Path) -> str:
    """The remedy for a damaged entry."""
    return f"remove it with `rm -r {shlex.quote(str(path))}` and run again"
