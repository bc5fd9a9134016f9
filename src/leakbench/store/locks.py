"""Who makes what: locks on files, which end with their process, and what dead processes left over."""

import os
import platform
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock

DAY = 86_400.0  # seconds after which a temporary folder of another machine is taken for left over


def acquired(path: Path, wait: bool) -> "FileLock | None":
    """The lock at `path`; None where another has it, unless it is to be waited for. It ends with its process."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        return None
    return lock


def sweep(temporary: Path, locks: Path) -> None:
    """Remove the temporary folders of dead processes of this machine, those older than a day, and locks of nobody."""
    for folder in temporary.iterdir():
        owner = re.fullmatch(rf"{re.escape(platform.node())}_(\d+)_\w+", folder.name)
        if (owner and not _alive(int(owner[1]))) or _age(folder) > DAY:
            shutil.rmtree(folder, ignore_errors=True)
    for path in locks.iterdir():
        lock = acquired(path, wait=False)
        if lock is not None:
            path.unlink(missing_ok=True)  # who waits for it sees that it is gone, and makes it anew
            lock.release()


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
