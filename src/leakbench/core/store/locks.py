"""File locks, which end with their process, and the removal of files that dead processes left."""

import os
import platform
import re
import secrets
import shutil
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..regular_files import is_folder

if TYPE_CHECKING:
    from filelock import FileLock

DAY = 86_400.0  # seconds after which a temporary folder of another machine is removed
TEMPORARY = re.compile(r"(.+)_([0-9]+)_[0-9a-f]{16}")  # the machine, the process
LOCK = re.compile(r"store|(damaged-)?[a-z]+-[0-9a-f]{32}")


def temporary_name() -> str:
    """A name for a temporary folder of this process, as in TEMPORARY."""
    return f"{platform.node()}_{os.getpid()}_{secrets.token_hex(8)}"


def acquired(path: Path, wait: bool) -> "FileLock | None":
    """The lock at `path`; None if another process holds it and `wait` is off. It ends with its process."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        return None
    return lock


def sweep(temporary: Path, locks: Path) -> None:
    """Remove temporary folders of dead processes of this machine, those older than a day, and locks that nobody holds.

    Links, files with other names, and locks with content are not removed.
    """
    for folder in temporary.iterdir():
        maker = TEMPORARY.fullmatch(folder.name)
        if maker and is_folder(folder) and (_dead(maker[1], maker[2]) or _age(folder) > DAY):
            shutil.rmtree(folder, ignore_errors=True)
    for path in locks.iterdir():
        if not LOCK.fullmatch(path.name) or not _is_empty(path):
            continue
        lock = acquired(path, wait=False)
        if lock is not None:
            path.unlink(missing_ok=True)  # a waiting process sees that it is gone, and makes a new one
            lock.release()


def _is_empty(path: Path) -> bool:
    """Whether it is a regular file with nothing in it."""
    try:
        found = path.lstat()
    except FileNotFoundError:  # another process has just removed it
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _age(path: Path) -> float:
    """Seconds since `path` was changed; 0 if another process has just removed it."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _dead(node: str, pid: str) -> bool:
    """Whether a process of this machine has ended."""
    if node != platform.node():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
