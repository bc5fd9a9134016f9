"""What was computed once: models and signals under the key of what they were computed from.

An entry is a folder `<root>/<kind>/<key>/` with its files and `job.json`: the spec that the key was made
from, free-form `meta`, and the SHA-256 of every file. Entries are written elsewhere and renamed, so they are
visible whole or not at all. Each hit is verified; what is damaged is set aside in `<root>/damaged/`, to be made
again. safetensors, npy and JSON only: reading executes nothing.
"""

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .errors import StoreError
from .key import canonical, content_key
from .log import WARNING, event

if TYPE_CHECKING:
    from filelock import FileLock

SCHEMA = "leakbench-store-1"
JOB, WHY = "job.json", "why.txt"  # of an entry; of one that was set aside
# NumPy parses an array's header as Python source, in which threads of CPython 3.11 disturb each other (gh-106905):
_ONE_HEADER = Lock()
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds until it is looked again whether others are done
DAY = 86_400.0  # seconds after which a temporary folder of another machine is taken for left over

Payload = bytes | np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]]
Made = tuple[Mapping[str, Payload], Mapping[str, Any]]  # files and meta of an entry


def _one_by_one(one: Callable[[int], None], numbers: Sequence[int]) -> None:
    for i in numbers:
        one(i)


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


class Store:
    """A folder of entries. Several processes may use it at once, and claim what they are about to make.

    Raises StoreError if the folder cannot be made or written to. Opening removes what killed runs left over.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._temporary, self._locks = self.root / "tmp", self.root / "locks"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            self._locks.mkdir(exist_ok=True)
            self._make_folder().rmdir()
            self._sweep()
            self.identity = self._identified()
            self._damaged_before = {path.name for path in self._aside()}
        except OSError as error:
            raise _unwritable(self.root, error) from None

    def get(self, kind: str, spec: Mapping[str, Any]) -> Entry | None:
        """The entry that was computed from `spec`, or None; a damaged one is set aside and named in `damaged`.

        Raises StoreError if it cannot be read, or belongs to another spec: what differs, and how to remove it.
        """
        path = self.folder(kind, spec)
        entry = self._whole(path)
        if entry is None:
            return None
        asked = json.loads(canonical(spec))
        if entry.spec != asked:
            what = "; ".join(_differences(asked, entry.spec))
            raise StoreError(f"{path} belongs to something else: {what}; {_remedy(path)}")
        return entry

    def put(
        self, kind: str, spec: Mapping[str, Any], files: Mapping[str, Payload], meta: Mapping[str, Any]
    ) -> Entry:
        """Write an entry; if another process was first, theirs stays and is returned.

        `files` are arrays (name.npy), dicts of arrays (name.safetensors) or bytes of either format or JSON.
        Raises StoreError if it cannot be written (nothing stays behind), TypeError for other files.
        """
        for name in files:
            _check_name(name)
        path = self.folder(kind, spec)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = self._make_folder()
        except OSError as error:
            raise _unwritable(self.root, error) from None
        try:
            digests = {name: _write(folder / name, payload) for name, payload in sorted(files.items())}
            _write(folder / JOB, _job_text(spec, meta, digests).encode())
            _sync(folder)
            _rename(folder, path)
            _sync(path.parent)
        except OSError as error:
            raise _unwritable(self.root, error) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # gone already where the rename succeeded
        entry = self.get(kind, spec)
        if entry is None:
            raise StoreError(
                f"{path} is damaged though just written; {_remedy(path)}, and look after its disk"
            )
        event("stored", kind=kind, key=path.name)
        return entry

    def _whole(self, path: Path) -> Entry | None:
        """The entry at `path`; None where there is none, or a damaged one, which is set aside."""
        if not path.is_dir():
            return None
        try:
            return _verified(path)
        except _DamagedError:
            pass  # perhaps another process has found that too, and is about to make it again
        name = f"{path.parent.name}-{path.name}"
        with self._locked(f"damaged-{name}", wait=True):
            try:
                return _verified(path) if path.is_dir() else None
            except _DamagedError as error:
                aside = self.root / "damaged" / f"{name}-{secrets.token_hex(4)}"
                self._set_aside(path, aside, f"{error}; it was set aside as {aside}, to be made again")
                return None

    def _set_aside(self, path: Path, aside: Path, why: str) -> None:
        try:
            aside.parent.mkdir(exist_ok=True)
            path.rename(aside)
            (aside / WHY).write_text(why, encoding="utf-8")
        except OSError as error:
            raise _unwritable(self.root, error) from None
        event("damaged", WARNING, why=why)

    def _aside(self) -> list[Path]:
        return sorted((self.root / "damaged").glob("*"))

    @property
    def damaged(self) -> list[str]:
        """What was found damaged since the store was opened, by whichever process, and where that is now."""
        found = [path for path in self._aside() if path.name not in self._damaged_before]
        return [(path / WHY).read_text(encoding="utf-8") for path in found if (path / WHY).exists()]

    def folder(self, kind: str, spec: Mapping[str, Any]) -> Path:
        """Where the entry of `spec` is, if there is one."""
        return self.root / kind / content_key(spec)

    def claim(self, kind: str, spec: Mapping[str, Any], wait: bool = False) -> AbstractContextManager[bool]:
        """Whether this thread alone is to make an entry, until the block ends or its process dies.

        False where another has claimed it, unless it is to `wait` for that one's end.
        """
        return self._locked(f"{kind}-{content_key(spec)}", wait)

    @contextmanager
    def _locked(self, name: str, wait: bool) -> Iterator[bool]:
        try:
            lock = _acquired(self._locks / name, wait)
        except OSError as error:
            raise _unwritable(self.root, error) from None
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def once(self, kind: str, spec: Mapping[str, Any], make: Callable[[], Made]) -> Entry:
        """The entry of `spec`; made and put where there is none, by one process while others wait for it.

        Raises StoreError as `get` and `put` do, as `shared` does.
        """
        entry = self.get(kind, spec)
        if entry is None:
            with self.claim(kind, spec, wait=True):
                entry = self.get(kind, spec) or self.put(kind, spec, *make())
        return entry

    def shared(
        self,
        kind: str,
        specs: Sequence[Mapping[str, Any]],
        make: Callable[[int], Made],
        there: Callable[[int, Entry], None],
        over: Callable[[Callable[[int], None], Sequence[int]], None] = _one_by_one,
    ) -> list[Entry]:
        """The entry of every spec; of those that are not there, each process makes what no other has claimed.

        `there` is called with the number of each spec and its entry as soon as that is there. `over(one, numbers)`
        calls `one` on each of the numbers; it may do so in threads.
        """
        found: dict[int, Entry] = {}

        def one(i: int) -> None:
            entry = self.get(kind, specs[i])
            if entry is None:
                with self.claim(kind, specs[i]) as mine:
                    entry = self.get(kind, specs[i]) or (self.put(kind, specs[i], *make(i)) if mine else None)
            if entry is not None:
                found[i] = entry
                there(i, entry)

        def work() -> int:
            before = len(found)
            over(one, [i for i in range(len(specs)) if i not in found])
            return len(found) - before

        until_done(work, lambda: len(found) == len(specs))
        return [found[i] for i in range(len(specs))]

    def entries(self, kind: str) -> Iterator[Entry]:
        """Every entry of a kind, verified. Raises StoreError at the first that is damaged or misplaced."""
        for path in sorted((self.root / kind).glob("*")):
            try:
                entry = _verified(path)
            except _DamagedError as error:
                raise StoreError(f"{error}; {_remedy(path)}") from None
            if content_key(entry.spec) != path.name:
                raise StoreError(f"{path} holds the entry {content_key(entry.spec)}; {_remedy(path)}")
            yield entry

    def _identified(self) -> str:
        """What tells this store from others, for processes that must be sure to see the same one."""
        path = self.root / "store.json"
        with self._locked("store", wait=True):
            if not path.exists():
                path.write_text(json.dumps({"schema": SCHEMA, "identity": secrets.token_hex(8)}) + "\n")
            (self._locks / "store").unlink(missing_ok=True)  # needed no more, by nobody
        try:
            return str(json.loads(path.read_text())["identity"])
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{path} is not as it was written; remove it and run again") from None

    def _make_folder(self) -> Path:
        folder = self._temporary / f"{platform.node()}_{os.getpid()}_{secrets.token_hex(8)}"
        folder.mkdir()
        return folder

    def _sweep(self) -> None:
        """Remove the temporary folders of dead processes of this machine, and those older than a day."""
        for folder in self._temporary.iterdir():
            owner = re.fullmatch(rf"{re.escape(platform.node())}_(\d+)_\w+", folder.name)
            if (owner and not _alive(int(owner[1]))) or _age(folder) > DAY:
                shutil.rmtree(folder, ignore_errors=True)
        for path in self._locks.iterdir():
            lock = _acquired(path, wait=False)
            if lock is not None:
                path.unlink(missing_ok=True)  # who waits for it sees that it is gone, and makes it anew
                lock.release()


def until_done(work: Callable[[], int], done: Callable[[], bool]) -> None:
    """Repeat `work`, which tells how much it did. While it finds all that is left claimed by others, it rests."""
    pause = FIRST_PAUSE
    while not done():
        if work():
            pause = FIRST_PAUSE
        else:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _acquired(path: Path, wait: bool) -> "FileLock | None":
    """The lock at `path`; None where another has it, unless it is to be waited for. It ends with its process."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        return None
    return lock


def _job_text(spec: Mapping[str, Any], meta: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The text of job.json, with a digest over itself."""
    text = canonical({"schema": SCHEMA, "spec": spec, "meta": meta, "files": files})
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({**json.loads(text), "sha256": digest}, indent=1, sort_keys=True) + "\n"


class _DamagedError(StoreError):
    """A file of an entry is missing or not as it was written."""


def _verified(path: Path) -> Entry:
    """The entry at `path`. Raises _DamagedError naming the file that is missing or not as it was written."""
    try:
        text = (path / JOB).read_text(encoding="utf-8")
        job = json.loads(text)
        whole = text == _job_text(job["spec"], job["meta"], job["files"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        whole = False
    except OSError as error:
        raise StoreError(f"{path / JOB} cannot be read: {error.strerror}; {_remedy(path)}") from None
    if not whole:
        raise _DamagedError(f"{path / JOB} is missing or not as it was written")
    for name, digest in job["files"].items():
        try:
            found = _digest(path / name)
        except FileNotFoundError:
            raise _DamagedError(f"{path / name} is missing") from None
        except OSError as error:
            raise StoreError(f"{path / name} cannot be read: {error.strerror}; {_remedy(path)}") from None
        if found != digest:
            raise _DamagedError(
                f"{path / name} is not as it was written: SHA-256 {found[:12]}, was {digest[:12]}"
            )
    return Entry(path, job["spec"], job["meta"])


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


def _check_name(name: str) -> None:
    if Path(name).name != name or Path(name).suffix not in (".npy", ".safetensors", ".json") or name == JOB:
        raise TypeError(f"a file of the store must be named *.npy, *.safetensors or *.json, got {name!r}")


def _safetensors(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    from safetensors.numpy import save

    data: bytes = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    return data


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Make the folder's list of files reach the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _rename(folder: Path, path: Path) -> None:
    """Make `folder` visible as `path`, unless another process did so first: then theirs stays."""
    try:
        folder.rename(path)
    except OSError:
        if not path.is_dir():
            raise


def _age(path: Path) -> float:
    """Seconds since `path` was changed; 0 if another process has just removed it."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _differences(asked: Any, found: Any, where: str = "") -> list[str]:
    """Where two pieces of plain data differ, as `a.b: asked 1, stored 2`."""
    if isinstance(asked, dict) and isinstance(found, dict):
        keys = sorted(asked.keys() | found.keys())
        inner = [(asked.get(k, ...), found.get(k, ...), f"{where}.{k}".lstrip(".")) for k in keys]
        return [line for a, f, name in inner for line in _differences(a, f, name)]
    a, f = ("nothing" if value is ... else json.dumps(value) for value in (asked, found))
    return [] if a == f else [f"{where}: asked {a}, stored {f}"]


def _remedy(path: Path) -> str:
    return f"remove it with `rm -r {path}` and run again"


def _unwritable(root: Path, error: OSError) -> StoreError:
    why = error.strerror or str(error)
    return StoreError(
        f"the store {root} cannot be written: {why}; choose a folder that can be, with room on its disk"
    )
