"""A store under a URL, such as s3://bucket/study, with a copy in a folder of this machine of what was needed here."""

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

LEASE = 60.0  # seconds that a claim lasts unless it is renewed, so those that a lost machine's work waits


class ObjectStore(Store):
    """Entries in whatever fsspec has a file system for; those that were made or asked for here are in `cache` too.

    Objects have no locks. Who is about to make an entry writes so into an object, and renews it; what is not renewed
    for LEASE seconds is free again. Two machines that look in the same instant, or whose clocks are apart by more than
    that, may make the same entry twice; it is the same entry. Raises StoreError if the objects cannot be read or
    written, InputError for a URL that nothing is there to open, ModuleNotFoundError for one of S3 without s3fs.
    """

    def __init__(self, url: str, cache: Path, dry: bool = False) -> None:
        self.url = url.rstrip("/")
        self._files, self._base = _opened(url)
        super().__init__(cache, dry)

    @property
    def place(self) -> str:
        """What another process opens the same store by."""
        return self.url

    def _is_there(self, path: Path) -> bool:
        """Whether there is an entry, here or under the URL."""
        return super()._is_there(path) or self._request(lambda: self._files.exists(self._remote(path, JOB)))

    def _publish(self, entry: Entry) -> None:
        """Send the files of the entry, `job.json` last, so that others see it when it is whole."""
        self._request(lambda: self._send(entry.path, [*sorted(entry.files), JOB]))

    @contextmanager
    def claim(self, kind: str, spec: Mapping[str, Any], wait: bool = False) -> Iterator[bool]:
        """Whether this thread alone, of all machines, is to make an entry."""
        with super().claim(kind, spec, wait) as first_here:
            if not first_here:
                yield False
                return
            with self._leased(f"{self._base}/claims/{kind}-{content_key(spec)}", wait) as mine:
                yield mine

    def _whole(self, path: Path, check: Check) -> Entry | None:
        """The entry at `path`, fetched where it is not here; a damaged one is set aside and fetched again.

        One that is damaged under the URL too is taken back there, or everybody would fetch it until it is made again.
        """
        entry = super()._whole(path, check)
        if entry is None and self._fetched(path):
            entry = super()._whole(path, check)
            if entry is None and not self.dry:
                self._request(lambda: self._remove(self._remote(path, JOB)))
        return entry

    def _fetched(self, path: Path) -> bool:
        """Copy an entry here; False where there is none."""
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
        """Copy what can be a file of an entry: under a URL a name may be any text."""
        try:
            for file in self._files.ls(self._remote(path), detail=False):
                name = file.rpartition("/")[2]
                if name == JOB or NAME.fullmatch(name):
                    self._files.get_file(file, str(folder / name))
        except FileNotFoundError:
            return False  # another machine has just taken it back
        return True

    def _send(self, path: Path, names: Sequence[str]) -> None:
        for name in names:
            self._files.put_file(str(path / name), self._remote(path, name))

    def _created(self, path: str, data: bytes, again: bool = True) -> bool:
        """Write an object; False where there is one already."""
        try:
            self._files.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except OSError:
            if self._files.exists(path):
                return False  # which some services say in words of their own
            if not again:
                raise
            return self._created(path, data, again=False)  # S3 asks for that where it was being removed
        return True

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._files.rm_file(path)

    @contextmanager
    def _leased(self, claim: str, wait: bool) -> Iterator[bool]:
        owner, over = secrets.token_hex(8), Event()
        while not self._request(lambda: self._taken(claim, owner)):
            if not wait:
                yield False
                return
            time.sleep(LEASE / 60)

        def renew() -> None:
            while not over.wait(LEASE / 3):
                try:
                    if self._holds(claim, owner):
                        self._files.pipe_file(claim, _lease(owner))
                except (
                    Exception
                ) as error:  # it may succeed next time; at worst another makes the same entry too
                    event("claim not renewed", WARNING, claim=claim, said=str(error))

        def give_back() -> None:
            if self._holds(claim, owner):
                self._remove(claim)

        renewing = Thread(target=renew, daemon=True)
        renewing.start()
        try:
            yield True
        finally:
            over.set()
            renewing.join()
            self._request(give_back)

    def _taken(self, claim: str, owner: str) -> bool:
        """Whether a claim is this owner's now: nobody had it, or who had it is gone."""
        if self._created(claim, _lease(owner)):
            return True
        held = self._held(claim)
        if not held:
            return False  # it has just been given up; look again
        until = held.get("until")
        if isinstance(until, int | float) and 0 < until - time.time() < 2 * LEASE:
            return False
        self._files.pipe_file(claim, _lease(owner))
        return self._holds(claim, owner)

    def _holds(self, claim: str, owner: str) -> bool:
        """Whether a claim is still this owner's: while a machine sleeps, another takes over what it had claimed."""
        return bool(self._held(claim).get("owner") == owner)

    def _held(self, claim: str) -> dict[str, Any]:
        """Who has a claim, and until when; empty where nobody has. What is no claim of ours was somebody's, once."""
        content = self._content(claim)
        if content is None:
            return {}
        try:
            held = parse_json(content)
        except ValueError:
            held = None
        return held if held and isinstance(held, dict) else {"until": 0}

    def _content(self, path: str) -> bytes | None:
        """What an object holds; None where there is none."""
        try:
            content: bytes = self._files.cat_file(path)
        except FileNotFoundError:
            return None
        return content

    def _identified(self) -> str:
        """As in a folder, but of what is under the URL. The folder of the copies has one of its own."""
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
        """What lies under the URL."""
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


def _lease(owner: str) -> bytes:
    return json.dumps({"owner": owner, "until": time.time() + LEASE}).encode()
