"""The progress of long jobs: bars with the time left on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol, TextIO

from .log import event
from .printable import printable

if TYPE_CHECKING:
    import rich.progress


class Progress(Protocol):
    """Receives the progress of a long job: stages in sequence, each with a known number of steps."""

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` steps; the one before it is over."""
        ...

    def advance(self, n: int = 1) -> None:
        """`n` more steps of the current stage are done."""
        ...

    def say(self, line: str) -> None:
        """Show a line; the stage goes on."""
        ...

    def done(self) -> None:
        """The job has ended or was interrupted. May be called twice."""
        ...


class NullProgress:
    """Shows nothing."""

    def stage(self, name: str, total: int) -> None:
        """Do nothing."""

    def advance(self, n: int = 1) -> None:
        """Do nothing."""

    def say(self, line: str) -> None:
        """Do nothing."""

    def done(self) -> None:
        """Do nothing."""


class TimedProgress:
    """Passes calls on to `shown`, logs them, and records the wall-clock and CPU seconds of every stage."""

    def __init__(self, shown: Progress) -> None:
        self.shown, self.parts = shown, dict[str, dict[str, float]]()
        self._name: str | None = "data"
        self._began = _now()

    @property
    def heard(self) -> bool:
        """Whether the progress is shown, so that lines are worth computing."""
        return not isinstance(self.shown, NullProgress)

    def stage(self, name: str, total: int) -> None:
        """Begin a stage. The time before the first stage is that of reading the data."""
        self._note()
        self._name = name
        event("stage", name=name, steps=total)
        self.shown.stage(name, total)

    def advance(self, n: int = 1) -> None:
        """`n` more steps of the current stage are done."""
        self.shown.advance(n)

    def say(self, line: str) -> None:
        """Show a line."""
        self.shown.say(line)

    def done(self) -> None:
        """The job has ended."""
        self._note()
        self._name = None
        self.shown.done()

    def _note(self) -> None:
        """Add the time since the last call to the stage that ends. Stages of one name are summed."""
        now = _now()
        if self._name is not None:
            part = self.parts.setdefault(self._name, dict.fromkeys(now, 0.0))
            spent = {clock: now[clock] - self._began[clock] for clock in now}
            event("stage done", name=self._name, **{clock: round(value, 2) for clock, value in spent.items()})
            for clock, value in spent.items():
                part[clock] = round(part[clock] + value, 2)
        self._began = now


def _now() -> dict[str, float]:
    return {"seconds": time.perf_counter(), "cpu_seconds": time.process_time()}


@contextmanager
def watched(folders: Mapping[str, Sequence[Path]], progress: Progress, every: float = 0.25) -> Iterator[None]:
    """Advance by one for each of the folders that appears while the block runs, whichever process makes it.

    When the last folder of a name exists, a line says so.
    """
    over, left = Event(), {name: list(own) for name, own in folders.items() if own}

    def check() -> None:
        for name, own in list(left.items()):
            missing = [folder for folder in own if not folder.is_dir()]
            if len(missing) < len(own):
                progress.advance(len(own) - len(missing))
            left[name] = missing
            if not missing:
                del left[name]
                progress.say(f"{name}: trained, {len(folders[name])} models")

    def keep_checking() -> None:
        while not over.wait(every):
            check()

    thread = Thread(target=keep_checking, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        check()


class LineProgress:
    """Plain lines, at most one every `interval` seconds: for log files and pipes."""

    def __init__(self, stream: TextIO, interval: float = 5.0) -> None:
        self.stream, self.interval = stream, interval
        self.name, self.total, self.steps = "", 0, 0
        self.began = self.written = time.monotonic()

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` steps."""
        self.name, self.total, self.steps = name, total, 0
        self.began = time.monotonic()
        self._write()

    def advance(self, n: int = 1) -> None:
        """`n` more steps of the current stage are done."""
        self.steps += n
        self._write()

    def say(self, line: str) -> None:
        """Print the line at once."""
        print(printable(line), file=self.stream, flush=True)

    def done(self) -> None:
        """Do nothing: the last line stays."""

    def _write(self) -> None:
        now = time.monotonic()
        if not self.total or now - self.written < self.interval:
            return
        self.written = now
        left = remaining(now - self.began, self.steps, self.total)
        print(f"{self.name}: {self.steps} of {self.total}{left}", file=self.stream, flush=True)


def remaining(elapsed: float, steps: int, total: int) -> str:
    """The time left if every step takes as long as the mean of those before it; empty before the first.

    >>> remaining(30.0, 1, 4)
    ', about 1 min 30 s left'
    """
    if not 0 < steps < total:
        return ""
    return f", about {duration(elapsed * (total - steps) / steps)} left"


def duration(seconds: float) -> str:
    """The duration in hours, minutes and seconds.

    >>> duration(4.2), duration(200), duration(9000)
    ('4 s', '3 min 20 s', '2 h 30 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class BarProgress:
    """One bar per stage, with the time spent and the time left: for terminals."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.bars: rich.progress.Progress = Progress(
            TextColumn("{task.description:>16}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.task: rich.progress.TaskID | None = None

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` steps. A stage without steps is not shown."""
        self._finish()
        self.bars.start()
        self.task = self.bars.add_task(name, total=total) if total else None

    def advance(self, n: int = 1) -> None:
        """`n` more steps of the current stage are done."""
        if self.task is not None:
            self.bars.advance(self.task, n)

    def say(self, line: str) -> None:
        """Print the line above the bars."""
        self.bars.console.print(printable(line), markup=False, highlight=False)

    def done(self) -> None:
        """Stop the bars and release the terminal."""
        self.bars.stop()

    def _finish(self) -> None:
        if self.task is not None:
            self.bars.stop_task(self.task)


def progress_on(stream: TextIO | None = None) -> Progress:
    """Bars if the stream, or stderr as it is now, is a terminal that can redraw them, else plain lines."""
    stream = stream or sys.stderr
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return BarProgress() if stream.isatty() and not dumb else LineProgress(stream)
