"""A report of what a run has found so far, beside the place of the report that it will write."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from .results import Results

SHARE = 0.05  # of the time that may go into reports before the last one


class Unfinished:
    """Writes reports into `<out>/unfinished` while a run goes on; never twice at once, and not too often."""

    def __init__(self, out: str | Path) -> None:
        self.folder = Path(out) / "unfinished"
        self._next = 0.0
        self._writing = Lock()

    def __call__(self, so_far: Callable[[], Results]) -> None:
        """Write a report, if the last one is long enough ago and no other thread is about it."""
        if time.monotonic() < self._next or not self._writing.acquire(blocking=False):
            return
        try:
            began = time.monotonic()
            so_far().save(self.folder)
            ended = time.monotonic()
            self._next = ended + (ended - began) / SHARE
        finally:
            self._writing.release()

    def remove(self) -> None:
        """The run is over, and its report is written."""
        shutil.rmtree(self.folder, ignore_errors=True)
