"""A store under a URL, such as s3://bucket/study, with copies of the used entries in a folder of this machine."""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from ..content_key import content_key
from ..errors import InputError, StoreError, require
from ..log import WARNING, event
from ..regular_files import parse_json
from .entry import JOB, NAME, Entry
from .folder import Check, Store
from .owned import STORE, foreign_to_a_store, identity, new_identity

LEASE = 60.0  # seconds that a claim lasts without renewal: the delay after a machine is lost


class ObjectStore(Store):
    """A store on any file system of fsspec. Entries that were made or read here are also in `cache`.

    Objects have no locks. A process that is about to make an entry writes a claim into an object, and renews it. A
    claim that is not renewed for LEASE seconds is free again. Two machines that claim in the same instant, or whose
    clocks differ by more than that, may make the same entry twice; both make the same content. Raises StoreError if
    the objects cannot be read or written, InputError for a URL without a file system, ModuleNotFoundError for S3
    without s3fs.
    """

    def __init__(self, url: str, cache: Path, dry: bool = False) -> None:
        self.url = url.rstrip("/")
        self._files, self._base = _opened(url)
        super().__init__(cache, dry)

    @property
    def place(self) -> str:
        """The URL by which another process opens the same store."""
        return self.url

    def _is_there(self, path: Path) -> bool:
        """Whether there is an entry, here or under the URL."""
        return super()._is_there(path) or self._request(lambda: self._files.exists(self._remote(path, JOB)))

    def _publish(self, entry: Entry) -> None:
        """Send the files of the entry, `job.json` last, so that others see it when it is whole."""
        self._request(lambda: self._send(entry.path, [*sorted(entry.files), JOB]))

    @contextmanager
    def claim(self, kind: str, spec: Mapping[str, Any], wait: bool = False) -> Iterator[bool]:
        """A claim on an entry, over all machines; see `Store.claim`."""
        with super().claim(kind, spec, wait) as first_here:
            if not first_here:
                yield False
                return
            with self._leased(f"{self._base}/claims/{kind}-{content_key(spec)}", wait) as mine:
                yield mine

    def _whole(self, path: Path, check: Check) -> Entry | None:
        """The entry at `path`, fetched if it is not here. A damaged one is set aside and fetched again.

        An entry that is damaged under the URL too is withdrawn there, so that no machine fetches it.
        """
        entry = super()._whole(path, check)
        if entry is None and self._fetched(path):
            entry = super()._whole(path, check)
            if entry is None and not self.dry:
                self._request(lambda: self._remove(self._remote(path, JOB)))
        return entry

    def _fetched(self, path: Path) -> bool:
        """Copy an entry here; False if there is none."""
        if not self._request(lambda: self._files.exists(self._remote(path, JOB))):
            return False
        folder = self._make_folder()
        try:
            if not self._request(lambda: self._copied(path, folder)):
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(path)
        except OSError:
            return path.is_dir()  # another process was first
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return True

    def _copied(self, path: Path, folder: Path) -> bool:
        """Copy the files whose names an entry can have: under a URL a name may be any text."""
        try:
            for file in self._files.ls(self._remote(path), detail=False):
                name = file.rpartition("/")[2]
                if name == JOB or NAME.fullmatch(name):
                    self._files.get_file(file, str(folder / name))
        except FileNotFoundError:
            return False  # another machine has just withdrawn it
        return True

    def _send(self, path: Path, names: Sequence[str]) -> None:
        for name in names:
            self._files.put_file(str(path / name), self._remote(path, name))

    def _created(self, path: str, data: bytes, again: bool = True) -> bool:
        """Write an object; False if there is one already."""
        try:
            self._files.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except OSError:
            if self._files.exists(path):
                return False  # some services report that with errors of their own
            if not again:
                raise
            return self._created(
                path, data, again=False
            )  # S3 requires a retry while the object is being removed
        return True

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._files.rm_file(path)

    @contextmanager
    def _leased(self, claim: str, wait: bool) -> Iterator[bool]:
        holder, over = secrets.token_hex(8), Event()
        while not self._request(lambda: self._taken(claim, holder)):
            if not wait:
                yield False
                return
            time.sleep(LEASE / 60)

        def renew() -> None:
            while not over.wait(LEASE / 3):
                try:
                    if self._holds(claim, holder):
                        self._files.pipe_file(claim, _lease(holder))
                except (
                    Exception
                ) as error:  # a later renewal may succeed; at worst another machine makes the same entry too
                    event("claim not renewed", WARNING, claim=claim, said=str(error))

        def give_back() -> None:
            if self._holds(claim, holder):
                self._remove(claim)

        renewing = Thread(target=renew, daemon=True)
        renewing.start()
        try:
            yield True
        finally:
            over.set()
            renewing.join()
            self._request(give_back)

    def _taken(self, claim: str, holder: str) -> bool:
        """Whether this holder has the claim now: it was free, or its last holder did not renew it."""
        if self._created(claim, _lease(holder)):
            return True
        held = self._held(claim)
        if not held:
            return False  # it has just been released; try again
        until = held.get("until")
        if isinstance(until, int | float) and 0 < until - time.time() < 2 * LEASE:
            return False
        self._files.pipe_file(claim, _lease(holder))
        return self._holds(claim, holder)

    def _holds(self, claim: str, holder: str) -> bool:
        """Whether this holder still has the claim. Another machine takes over the claims of one that sleeps."""
        return bool(self._held(claim).get("holder") == holder)

    def _held(self, claim: str) -> dict[str, Any]:
        """The holder of a claim, and its end; empty if the claim is free. Other content counts as an expired claim."""
        content = self._content(claim)
        if content is None:
            return {}
        try:
            held = parse_json(content)
        except ValueError:
            held = None
        return held if held and isinstance(held, dict) else {"until": 0}

    def _content(self, path: str) -> bytes | None:
        """The content of an object; None if there is none."""
        try:
            content: bytes = self._files.cat_file(path)
        except FileNotFoundError:
            return None
        return content

    def _identified(self) -> str:
        """The identity of the store under the URL. The folder of the copies has one of its own."""
        super()._identified()
        path = f"{self._base}/{STORE}"
        content = self._request(lambda: self._content(path))
        if content is None:
            others = self._request(self._names)
            content = self._request(lambda: self._content(path))  # another machine may have been first
            if content is None and others:
                raise foreign_to_a_store(self.url, others[0])
        if content is None and self.dry:
            return ""
        if content is None:
            new = new_identity()
            self._request(lambda: self._created(path, new))
            content = self._request(lambda: self._content(path))
        return identity(content or b"", self.url)

    def _names(self) -> list[str]:
        """The names under the URL."""
        try:
            paths = [path.rstrip("/") for path in self._files.ls(self._base, detail=False)]
        except FileNotFoundError:
            return []
        return sorted(path.rpartition("/")[2] for path in paths if path != self._base)

    def _remote(self, path: Path, name: str = "") -> str:
        return "/".join([self._base, path.parent.name, path.name, *([name] if name else [])])

    def _request(self, send: Callable[[], Any]) -> Any:
        """The reply of the object service. Raises StoreError if there is none."""
        try:
            return send()
        except Exception as error:  # each service has its own
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StoreError(
                f"the store {self.url} cannot be used: {said}; check its URL, your credentials for it, "
                "and that the service can be reached"
            ) from None


def open_store(place: str | Path, dry: bool = False) -> Store:
    """The store in a folder, or under a URL with its copies in `LEAKBENCH_CACHE` or the user's cache folder."""
    if "://" not in str(place):
        return Store(place, dry)
    name = hashlib.sha256(str(place).rstrip("/").encode()).hexdigest()[:16]
    caches = os.environ.get("LEAKBENCH_CACHE") or Path.home() / ".cache" / "leakbench"
    return ObjectStore(str(place), Path(caches) / name, dry)


def _opened(url: str) -> tuple[Any, str]:
    """The file system and the path of a URL."""
    import fsspec

    scheme, _, place = url.partition("://")
    if not place.strip("/"):
        raise InputError(
            f"the store must be a folder or a URL, got {url}: add a place, as in s3://bucket/study"
        )
    if scheme in ("s3", "s3a"):
        require("s3fs")
    options = {"auto_mkdir": True} if scheme in ("file", "local") else {}
    try:
        files, base = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        raise InputError(f"the store {url} needs another package: {error}") from None
    except ValueError as error:
        raise InputError(f"the store must be a folder or a URL, got {url}: {error}") from None
    return files, base.rstrip("/")


def _lease(holder: str) -> bytes:
    return json.dumps({"holder": holder, "until": time.time() + LEASE}).encode()
