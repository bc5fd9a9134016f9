"""A report of what a run has found so far, beside the place of the report that it will write."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from ..core.errors import LeakbenchError
from ..core.log import WARNING, event
from ..core.regular_files import is_folder
from ..report.results import Results

SHARE = 0.05  # of the time that may go into reports before the last one
FIRST = 10.0  # seconds before which none is written: the run may be over by then


class PartialReport:
    """Writes reports into `<out>/unfinished` while a run goes on; never twice at once, and not too often."""

    def __init__(self, out: str | Path) -> None:
        self.folder = Path(out) / "unfinished"
        self._next = time.monotonic() + FIRST
        self._writing, self._wrote = Lock(), False

    def __call__(self, so_far: Callable[[], Results]) -> None:
        """Write a report, if the last one is long enough ago and no other thread is about it.

        One that cannot be written is logged, and ends nothing: the run's own report may be hours away.
        """
        if time.monotonic() < self._next or not self._writing.acquire(blocking=False):
            return
        began = time.monotonic()
        try:
            if self.folder.is_symlink():
                raise LeakbenchError(f"{self.folder} must be a folder, got a link")
            so_far().save(self.folder)
            self._wrote = True
        except Exception as error:
            event("no report so far", WARNING, why=f"{type(error).__name__}: {error}")
        finally:
            ended = time.monotonic()
            self._next = ended + (ended - began) / SHARE
            self._writing.release()

    def remove(self) -> None:
        """The run is over, and its report is written: remove our files, and the folder if nothing else is in it."""
        from ..report.files import remove

        if is_folder(self.folder):
            with suppress(OSError):
                if remove(self.folder) or self._wrote:
                    self.folder.rmdir()
