"""The containers of an audit file: npz, npy files in a folder, CSV, parquet. Nothing is ever executed."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from . import peers, tables
from .vocabulary import recognise

Arrays = dict[str, NDArray[Any]]

MAGIC = {".npz": b"PK", ".npy": b"\x93NUMPY", ".parquet": b"PAR1", ".pq": b"PAR1"}
PICKLED = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
REMEDY = "save arrays instead: np.savez('audit.npz', logits=logits, labels=labels, members=members)"


class Loaded(NamedTuple):
    """Arrays under the names of the contract, and what was left out."""

    arrays: Arrays
    notes: list[str]


def load(path: Path) -> Loaded:
    """The arrays of a file or a folder. Raises InputError if it is damaged or not what its name says."""
    if path.is_dir():
        return _folder(path)
    suffix = path.suffix.lower()
    _check_head(path, suffix)
    if suffix == ".npz":
        return _npz(path)
    if suffix == ".csv":
        return Loaded(*tables.read_csv(path))
    if suffix in (".parquet", ".pq"):
        return Loaded(*tables.read_parquet(path))
    if suffix == ".npy":
        raise InputError(
            f"{path} holds one array without a name; put it into a folder with the others, or {REMEDY}"
        )
    raise InputError(
        f"{path} must be .npz, .csv, .parquet or a folder of .npy files, got {suffix or 'no suffix'!r}"
    )


def _check_head(path: Path, suffix: str) -> None:
    if suffix in PICKLED:
        raise InputError(
            f"{path} is a pickle, which can run code when it is read, so it is refused; {REMEDY}"
        )
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if not head:
        raise InputError(f"{path} is empty (0 bytes); write it again")
    magic = MAGIC.get(suffix, b"")
    is_text = not any(head.startswith(m) for m in MAGIC.values()) and b"\0" not in head
    if not head.startswith(magic) or (suffix == ".csv" and not is_text):
        raise InputError(f"{path} is no {suffix} file: it does not begin like one; check what wrote it")


@contextmanager
def _readable(path: Path, name: str) -> Iterator[None]:
    """What NumPy and zipfile raise on a damaged file, as one line."""
    try:
        yield
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, MemoryError, ValueError) as error:
        if isinstance(error, ValueError) and "allow_pickle" in str(error):
            raise InputError(
                f"{path}: {name} holds Python objects; save numbers or text, {name}.astype(float)"
            ) from None
        raise InputError(
            f"{path} is damaged or cut short ({name}: {_first_line(error)}); write it again"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _npz(path: Path) -> Loaded:
    arrays = {}
    with path.open("rb") as file, _readable(path, "the archive"), np.load(file, allow_pickle=False) as npz:
        _refuse_other_zip(path, npz.zip.namelist())
        found, notes = _choose(npz.files, str(path))
        for ours, name in found.items():
            with _readable(path, name):
                arrays[ours] = npz[name]
    return _translated(arrays, notes)


def _refuse_other_zip(path: Path, members: list[str]) -> None:
    if not members:
        raise InputError(f"{path} holds no arrays; {REMEDY}")
    other = [name for name in members if not name.endswith(".npy")]
    if other:
        raise InputError(f"{path} is a zip, but no npz: it holds {other[0]!r}; {REMEDY}")


def _folder(path: Path) -> Loaded:
    """A folder of npy files, memory-mapped; or the folder of a LiRA study."""
    experiments = peers.lira_experiments(path)
    if experiments:
        return Loaded(*peers.read_lira(path, experiments, _npy))
    files = {file.stem: file for file in sorted(path.glob("*.npy"))}
    if not files:
        raise InputError(f"{path} holds no .npy files (and no experiment folders with keep.npy); {REMEDY}")
    found, notes = _choose(files, str(path))
    return _translated({ours: _npy(files[name]) for ours, name in found.items()}, notes)


def _npy(path: Path) -> NDArray[Any]:
    _check_head(path, ".npy")
    with _readable(path, path.stem):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _choose(names: Iterable[str], where: str) -> tuple[dict[str, str], list[str]]:
    """The arrays worth reading, TF Privacy's if they are there, else ours; and a note on the others."""
    theirs = peers.tf_privacy_names(names)
    if not theirs:
        return recognise(names, where)
    others = sorted(set(names) - set(theirs))
    return {name: name for name in theirs}, [f"not used: {', '.join(others)}"] if others else []


def _translated(arrays: Arrays, notes: list[str]) -> Loaded:
    return Loaded(peers.join_tf_privacy(arrays) if peers.tf_privacy_names(arrays) else arrays, notes)
