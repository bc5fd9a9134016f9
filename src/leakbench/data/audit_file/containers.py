"""The containers of an audit file: npz, npy files in a folder, CSV, parquet. Reading executes nothing."""

import stat
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ...core.errors import InputError
from . import npy, tables
from . import other_tools as peers
from .leakpro import leakpro_files, read_leakpro, read_leakpro_result
from .names import listed, recognise, require_least
from .privacy_meter import MEMBERSHIPS, RESULT, of_result, read_privacy_meter
from .sacro_ml import of_attack, sacro_files, sacro_names

Arrays = dict[str, NDArray[Any]]

MAGIC = {".npz": b"PK", ".npy": b"\x93NUMPY", ".parquet": b"PAR1", ".pq": b"PAR1", ".csv.gz": b"\x1f\x8b"}
TEXT = (".csv", ".tsv")
PICKLED = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
REMEDY = "save arrays instead: np.savez('audit.npz', logits=logits, labels=labels, members=members)"
ENCRYPTED = 1  # the bit of a zip member's flags
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that NumPy writes


class Loaded(NamedTuple):
    """Arrays by their names in the audit file, notes on arrays that were left out, and which tool's arrays they are."""

    arrays: Arrays
    notes: list[str]
    read_as: str = ""


class Chosen(NamedTuple):
    """The names of the arrays to read by those in the audit file, notes, whose they are, and how to make them ours."""

    names: dict[str, str]
    notes: list[str]
    read_as: str = ""
    ours: Callable[[Arrays], Arrays] = dict


def load(path: Path) -> Loaded:
    """The arrays of a file or a folder. Raises InputError if it is damaged or not what its name says."""
    if path.is_dir():
        return _folder(path)
    suffix = "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffix).lower()
    check_head(path, suffix)
    if suffix == ".npz":
        return _npz(path)
    if suffix in (*TEXT, ".csv.gz"):
        return Loaded(*tables.read_csv(path))
    if suffix in (".parquet", ".pq"):
        return Loaded(*tables.read_parquet(path))
    if suffix == ".json":
        return Loaded(*read_leakpro_result(path))
    if suffix == ".npy":
        raise InputError(
            f"{path} holds one array without a name; put it into a folder with the others, or {REMEDY}"
        )
    raise InputError(
        f"{path} must be .npz, .csv, .csv.gz, .parquet or a folder of .npy files, got {suffix or 'no suffix'!r}"
    )


def check_head(path: Path, suffix: str) -> None:
    """Raise InputError unless the file is a regular one that begins as its suffix says, and no pickle."""
    if suffix in PICKLED:
        raise InputError(
            f"{path} is a pickle, which can run code when it is read, so it is refused; {REMEDY}"
        )
    try:
        head = _head(path)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if head is None:
        raise InputError(
            f"{path} must be a file, got a pipe, a device or a folder; write the arrays to a file"
        )
    if not head:
        raise InputError(f"{path} is empty (0 bytes); write it again")
    magic = MAGIC.get(suffix, b"")
    is_text = not any(head.startswith(m) for m in MAGIC.values()) and b"\0" not in head
    if not head.startswith(magic) or (suffix in TEXT and not is_text):
        raise InputError(f"{path} is no {suffix} file: it does not begin like one; check what wrote it")


def _head(path: Path) -> bytes | None:
    """The first bytes of a file; None if it is no regular file, because opening a pipe may block."""
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    with path.open("rb") as file:
        return file.read(4096)


@contextmanager
def readable(path: Path, name: str) -> Iterator[None]:
    """Turn the exceptions of NumPy and zipfile on a damaged file, of many types, into one InputError."""
    try:
        yield
    except InputError:
        raise
    except npy.PythonObjectsError:
        raise InputError(
            f"{path}: {name} holds Python objects; save numbers as {name}.astype(float), text as {name}.astype(str)"
        ) from None
    except Exception as error:
        raise InputError(
            f"{path} is damaged or cut short ({name}: {tables.first_line(error)}); write it again"
        ) from None


def _npz(path: Path) -> Loaded:
    arrays = {}
    with path.open("rb") as file:
        with readable(path, "the archive"):
            archive = zipfile.ZipFile(file)
        members = _members(path, archive)
        chosen = _choose(members, str(path))
        tables.refuse_bomb(path, sum(members[name].file_size for name in chosen.names.values()))
        for ours, name in chosen.names.items():
            with readable(path, name), archive.open(members[name]) as member:
                layout = npy.read_layout(member, members[name].file_size)
                arrays[ours] = npy.read_array(member, layout)
    return Loaded(chosen.ours(arrays), chosen.notes, chosen.read_as)


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of an npz by the names of their arrays. Raises InputError for another zip."""
    infos = archive.infolist()
    if not infos:
        raise InputError(f"{path} holds no arrays; {REMEDY}")
    names = [info.filename for info in infos]
    other = [name for name in names if not name.endswith(".npy")]
    if other:
        raise InputError(f"{path} is a zip, but no npz: it holds {other[0][:200]!r}; {REMEDY}")
    if len(set(names)) < len(names):
        raise InputError(f"{path} holds an array twice, of {listed(names)}; write it again")
    if any(info.flag_bits & ENCRYPTED or info.compress_type not in METHODS for info in infos):
        raise InputError(f"{path} is encrypted, or compressed in a way that np.load does not read; {REMEDY}")
    return {info.filename.removesuffix(".npy"): info for info in infos}


def _folder(path: Path) -> Loaded:
    """A folder of npy files, memory-mapped; or the folder of another tool."""
    if experiments := peers.lira_experiments(path):
        return Loaded(*peers.read_lira(path, experiments, _npy))
    if (path / MEMBERSHIPS).exists():
        return Loaded(*read_privacy_meter(path, _npy))
    if found := leakpro_files(path):
        return Loaded(*read_leakpro(path, found, _npy))
    if attacks := sacro_files(path):
        if len(attacks) > 1:
            told = listed(file.name for file in attacks)
            raise InputError(f"{path} holds the records of {len(attacks)} attacks; name one of {told}")
        return _npz(attacks[0])
    files = {file.stem: file for file in sorted(path.glob("*.npy"))}
    if not files:
        raise InputError(f"{path} holds no .npy files (and no experiment folders with keep.npy); {REMEDY}")
    chosen = _choose(files, str(path))
    arrays = {ours: _npy(files[name]) for ours, name in chosen.names.items()}
    return Loaded(chosen.ours(arrays), chosen.notes, chosen.read_as)


def _npy(path: Path) -> NDArray[Any]:
    check_head(path, ".npy")
    with path.open("rb") as file, readable(path, path.stem):
        return npy.map_array(file, npy.read_layout(file, path.stat().st_size))


def _choose(names: Collection[str], where: str) -> Chosen:
    """The arrays to read: those of another tool, if they are, else ours; and a note on the others."""

    def of(tool: str, used: dict[str, str], ours: Callable[[Arrays], Arrays]) -> Chosen:
        others = set(names) - set(used.values())
        return Chosen(used, [f"not used: {listed(others)}"] if others else [], tool, ours)

    if theirs := peers.tf_privacy_names(names):
        return of("TF Privacy's arrays: train = members", {n: n for n in theirs}, peers.join_tf_privacy)
    if set(names) >= RESULT:
        return of("Privacy Meter's result: scores, memberships", {n: n for n in RESULT}, of_result)
    if found := sacro_names(names):
        return of(f"SACRO-ML's attack: {listed(found.values())}", found, of_attack)
    found, notes = recognise(names, where)
    try:
        require_least(found, names)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return Chosen(found, notes)
