"""The store of models, logits and findings, each under the key of the spec that it was computed from.

An entry is a folder `<root>/<kind>/<key>/`, see `entry`. Entries are written elsewhere and renamed, so they are visible
whole or not at all. Each hit is verified. A damaged entry is moved to `<root>/damaged/` and made again. Nothing is
written or removed outside the store, nor in a folder that is no store (see `owned`).
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from ..content_key import canonical, content_key
from ..errors import StoreError
from ..log import WARNING, event
from ..regular_files import is_folder, read_regular
from .entry import DamagedError, Entry, Payload, check_name, remedy, sync, verified, written
from .locks import acquired, sweep, temporary_name
from .owned import STORE, check_owned, inside, new_identity

WHY = "why.txt"  # of an entry that was set aside
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds between checks whether others are done

Made = tuple[Mapping[str, Payload], Mapping[str, Any]]  # files and meta of an entry
Check = Callable[[Entry], object]  # raises any exception on an entry with wrong content


def as_it_is(entry: Entry) -> None:
    """Accept any entry."""


def _one_by_one(one: Callable[[int], None], numbers: Sequence[int]) -> None:
    for i in numbers:
        one(i)


class Store:
    """A folder of entries. Several processes may use it at once, and claim what they are about to make.

    Opening a store removes the temporary files of killed runs. A store that is opened `dry` is not changed, and none is
    made: a damaged entry counts as missing. Raises StoreError if the folder cannot be made or written to, or holds
    something that is no store.
    """

    def __init__(self, root: str | Path, dry: bool = False) -> None:
        self.root, self.dry = Path(root), dry
        self._temporary, self._locks = self.root / "tmp", self.root / "locks"
        try:
            self.identity = self._identified()
            if not dry:
                sweep(self._temporary, self._locks)
            self._damaged_before = {path.name for path in self._aside()}
        except OSError as error:
            raise _unwritable(self.root, error) from None

    def get(self, kind: str, spec: Mapping[str, Any], check: Check = as_it_is) -> Entry | None:
        """The entry that was computed from `spec`, or None. A damaged entry is set aside and named in `damaged`.

        An entry on which `check` raises is damaged too: its digests are right, but leakbench writes other content.
        Raises StoreError if the entry cannot be read, or belongs to another spec.
        """
        path = self.folder(kind, spec)
        entry = self._whole(path, check)
        if entry is None:
            return None
        wanted = json.loads(canonical(spec))
        if entry.spec != wanted:
            what = "; ".join(_differences(wanted, entry.spec))
            raise StoreError(f"{path} belongs to something else: {what}; {remedy(path)}")
        return entry

    def put(
        self,
        kind: str,
        spec: Mapping[str, Any],
        files: Mapping[str, Payload],
        meta: Mapping[str, Any],
        check: Check = as_it_is,
    ) -> Entry:
        """Write an entry. If another process was first, its entry stays and is returned.

        `files` are arrays (name.npy), dicts of arrays (name.safetensors) or bytes of either format or JSON.
        Raises StoreError if it cannot be written (nothing stays behind), TypeError for other files.
        """
        for name in files:
            check_name(name)
        self._require_writing()
        path = self.folder(kind, spec)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = self._make_folder()
        except OSError as error:
            raise _unwritable(self.root, error) from None
        try:
            written(folder, spec, files, meta)
            _rename(folder, path)
            sync(path.parent)
        except OSError as error:
            raise _unwritable(self.root, error) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # gone already where the rename succeeded
        entry = self.get(kind, spec, check)
        if entry is None:
            raise StoreError(
                f"{path} is damaged though just written; {remedy(path)}, and look after its disk"
            )
        self._publish(entry)
        event("stored", kind=kind, key=path.name)
        return entry

    def _publish(self, entry: Entry) -> None:
        """Send a new entry to where other machines read it. A folder needs nothing."""

    def _whole(self, path: Path, check: Check) -> Entry | None:
        """The entry at `path`; None if it is missing or damaged. A damaged one is set aside."""
        if not os.path.lexists(path):
            return None
        try:
            return _checked(path, check)
        except DamagedError:
            if self.dry:
                return None
            # another process may have found the damage too, and may be making the entry again
        name = f"{path.parent.name}-{path.name}"
        with self._locked(f"damaged-{name}", wait=True):
            try:
                return _checked(path, check) if os.path.lexists(path) else None
            except DamagedError as error:
                aside = inside(self.root, "damaged") / f"{name}-{secrets.token_hex(4)}"
                self._set_aside(path, aside, f"{error}; it was set aside as {aside}, to be made again")
                return None

    def _set_aside(self, path: Path, aside: Path, why: str) -> None:
        """Move a damaged entry to `aside`; into a new folder there if it cannot hold the file WHY."""
        try:
            aside.parent.mkdir(exist_ok=True)
            if is_folder(path) and not is_folder(path / WHY):
                path.rename(aside)
                (aside / WHY).unlink(missing_ok=True)
            else:
                aside.mkdir()
                path.rename(aside / path.name)
            with (aside / WHY).open("x", encoding="utf-8", errors="replace") as file:
                file.write(why)
        except OSError as error:
            raise _unwritable(self.root, error) from None
        event("damaged", WARNING, why=why)

    def _aside(self) -> list[Path]:
        return sorted((self.root / "damaged").glob("*"))

    @property
    def damaged(self) -> list[str]:
        """One line on each entry that was found damaged since the store was opened, by any process."""
        found = [path / WHY for path in self._aside() if path.name not in self._damaged_before]
        return [read_regular(why).decode(errors="replace") for why in found if why.exists()]

    @property
    def place(self) -> str:
        """The path by which another process on this machine opens the same store."""
        return str(self.root.resolve())

    def has(self, kind: str, spec: Mapping[str, Any]) -> bool:
        """Whether there is an entry of `spec`. It is verified here if the store is `dry`, else when it is read."""
        return self.get(kind, spec) is not None if self.dry else self._is_there(self.folder(kind, spec))

    def _is_there(self, path: Path) -> bool:
        return is_folder(path)

    def folder(self, kind: str, spec: Mapping[str, Any]) -> Path:
        """The folder of the entry of `spec`. Raises StoreError if that is outside the store."""
        return inside(self.root, kind) / content_key(spec)

    def claim(self, kind: str, spec: Mapping[str, Any], wait: bool = False) -> AbstractContextManager[bool]:
        """A claim on an entry, until the block ends or its process dies: only one thread makes the entry.

        Yields False if another thread holds the claim and `wait` is off.
        """
        self._require_writing()
        return self._locked(f"{kind}-{content_key(spec)}", wait)

    @contextmanager
    def _locked(self, name: str, wait: bool) -> Iterator[bool]:
        try:
            lock = acquired(self._locks / name, wait)
        except OSError as error:
            raise _unwritable(self.root, error) from None
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def once(
        self, kind: str, spec: Mapping[str, Any], make: Callable[[], Made], check: Check = as_it_is
    ) -> Entry:
        """The entry of `spec`. If there is none, one process makes it while others wait.

        Raises StoreError as `get` and `put` do.
        """
        entry = self.get(kind, spec, check)
        if entry is None:
            with self.claim(kind, spec, wait=True):
                entry = self.get(kind, spec, check) or self.put(kind, spec, *make(), check)
        return entry

    def shared(
        self,
        kind: str,
        specs: Sequence[Mapping[str, Any]],
        make: Callable[[int], Made],
        done: Callable[[int, Entry], None],
        over: Callable[[Callable[[int], None], Sequence[int]], None] = _one_by_one,
        check: Check = as_it_is,
    ) -> list[Entry]:
        """The entries of all specs. Each process makes the missing ones that no other has claimed.

        `done` is called with the number of each spec and its entry as soon as the entry exists. `over(one, numbers)`
        calls `one` on each of the numbers; it may do so in threads.
        """
        found: dict[int, Entry] = {}

        def one(i: int) -> None:
            entry = self.get(kind, specs[i], check)
            if entry is None:
                with self.claim(kind, specs[i]) as mine:
                    entry = self.get(kind, specs[i], check)
                    if entry is None and mine:
                        entry = self.put(kind, specs[i], *make(i), check)
            if entry is not None:
                found[i] = entry
                done(i, entry)

        def work() -> int:
            before = len(found)
            over(one, [i for i in range(len(specs)) if i not in found])
            return len(found) - before

        until_done(work, lambda: len(found) == len(specs))
        return [found[i] for i in range(len(specs))]

    def entries(self, kind: str) -> Iterator[Entry]:
        """Every entry of a kind, verified. Raises StoreError at the first that is damaged or misplaced."""
        for path in sorted(inside(self.root, kind).glob("*")):
            try:
                entry = verified(path)
            except DamagedError as error:
                raise StoreError(f"{error}; {remedy(path)}") from None
            if content_key(entry.spec) != path.name:
                raise StoreError(f"{path} holds the entry {content_key(entry.spec)}; {remedy(path)}")
            yield entry

    def _identified(self) -> str:
        """The identity of this store, by which processes make sure that they use the same one."""
        found = check_owned(self.root)
        if self.dry:
            return found or ""
        self._locks.mkdir(parents=True, exist_ok=True)
        folder, path = self._make_folder(), self.root / STORE
        try:
            if found is None:
                with self._locked("store", wait=True):
                    if not path.exists():
                        (folder / STORE).write_bytes(new_identity())
                        (folder / STORE).rename(path)
                    (self._locks / "store").unlink(missing_ok=True)  # no process needs it any more
                found = check_owned(self.root)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        assert found is not None
        return found

    def _require_writing(self) -> None:
        if self.dry:
            raise StoreError(
                f"the store {self.place} was changed by another process during a dry run; run again"
            )

    def _make_folder(self) -> Path:
        folder = self._temporary / temporary_name()
        folder.mkdir(parents=True)
        return folder


def until_done(work: Callable[[], int], done: Callable[[], bool]) -> None:
    """Repeat `work`, which returns how much it did, until `done`. Pause while all that is left is claimed by others.

    The pause is a tenth of the time waited so far, so the end is noticed at most that much late.
    """
    since = time.monotonic()
    while not done():
        if work():
            since = time.monotonic()
        else:
            waited = time.monotonic() - since
            time.sleep(min(max(FIRST_PAUSE, waited / 10), LONGEST_PAUSE))


def _rename(folder: Path, path: Path) -> None:
    """Rename `folder` to `path`, unless another process was first: then its entry stays."""
    try:
        folder.rename(path)
    except OSError:
        if not is_folder(path):
            raise


def _checked(path: Path, check: Check) -> Entry:
    """The entry at `path`. Raises DamagedError as `verified` does, and where `check` raises."""
    entry = verified(path)
    try:
        check(entry)
    except Exception as error:  # anybody may have written the entry
        raise DamagedError(
            f"{path} does not hold what leakbench writes there: {type(error).__name__}: {error}"
        ) from None
    return entry


def _differences(wanted: Any, stored: Any, where: str = "") -> list[str]:
    """Where two pieces of plain data differ, as `a.b: wanted 1, stored 2`."""
    if isinstance(wanted, dict) and isinstance(stored, dict):
        keys = sorted(wanted.keys() | stored.keys())
        inner = [(wanted.get(k, ...), stored.get(k, ...), f"{where}.{k}".lstrip(".")) for k in keys]
        return [line for a, f, name in inner for line in _differences(a, f, name)]
    a, f = ("nothing" if value is ... else json.dumps(value) for value in (wanted, stored))
    return [] if a == f else [f"{where}: wanted {a}, stored {f}"]


def _unwritable(root: Path, error: OSError) -> StoreError:
    why = error.strerror or str(error)
    return StoreError(
        f"the store {root} cannot be written: {why}; choose a folder that can be, with room on its disk"
    )
