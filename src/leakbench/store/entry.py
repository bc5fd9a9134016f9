"""An entry: a folder with its files and `job.json`, which has a digest of each; written once, verified at reading.

safetensors, npy and JSON only: reading executes nothing.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np

from ..errors import StoreError
from ..key import canonical

SCHEMA = "leakbench-store-1"
JOB = "job.json"
# NumPy parses an array's header as Python source, in which threads of CPython 3.11 disturb each other (gh-106905):
_ONE_HEADER = Lock()

Payload = bytes | np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Entry:
    """A verified entry: its folder, the spec that it was computed from, and what was noted about it."""

    path: Path
    spec: dict[str, Any]
    meta: dict[str, Any]

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """An .npy file, memory-mapped and read-only."""
        with _ONE_HEADER:
            array: np.ndarray[Any, Any] = np.load(self.path / name, mmap_mode="r", allow_pickle=False)
        return array

    def tensors(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays of a .safetensors file by name."""
        from safetensors.numpy import load_file

        tensors: dict[str, np.ndarray[Any, Any]] = load_file(self.path / name)
        return tensors


class DamagedError(StoreError):
    """A file of an entry is missing or not as it was written."""


def verified(path: Path) -> Entry:
    """The entry at `path`. Raises DamagedError naming the file that is missing or not as it was written."""
    try:
        text = (path / JOB).read_text(encoding="utf-8")
        job = json.loads(text)
        whole = text == _job_text(job["spec"], job["meta"], job["files"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        whole = False
    except OSError as error:
        raise StoreError(f"{path / JOB} cannot be read: {error.strerror}; {remedy(path)}") from None
    if not whole:
        raise DamagedError(f"{path / JOB} is missing or not as it was written")
    for name, digest in job["files"].items():
        try:
            found = _digest(path / name)
        except FileNotFoundError:
            raise DamagedError(f"{path / name} is missing") from None
        except OSError as error:
            raise StoreError(f"{path / name} cannot be read: {error.strerror}; {remedy(path)}") from None
        if found != digest:
            raise DamagedError(
                f"{path / name} is not as it was written: SHA-256 {found[:12]}, was {digest[:12]}"
            )
    return Entry(path, job["spec"], job["meta"])


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
    """A file that digests what it is given to write. numpy, given the file itself, overlooks a full disk."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)


def _write(path: Path, payload: Payload) -> str:
    """Write a file through to the disk and return the SHA-256 of what was to be written."""
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
    if Path(name).name != name or Path(name).suffix not in (".npy", ".safetensors", ".json") or name == JOB:
        raise TypeError(f"a file of the store must be named *.npy, *.safetensors or *.json, got {name!r}")


def _safetensors(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    from safetensors.numpy import save

    data: bytes = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    return data


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(folder: Path) -> None:
    """Make the folder's list of files reach the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remedy(path: Path) -> str:
    """What to do about an entry that is not as it must be."""
    return f"remove it with `rm -r {path}` and run again"
