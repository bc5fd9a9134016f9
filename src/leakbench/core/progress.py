"""How far a long job is: bars with the time left on a terminal, a plain line now and then elsewhere."""

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
    """What a long job tells as it goes: stages one after another, each with a known number of steps."""

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` steps; the one before it is over."""
        ...

    def advance(self, n: int = 1) -> None:
        """`n` more steps of the current stage are done."""
        ...

    def say(self, line: str) -> None:
        """Something worth reading has become known; the stage goes on."""
        ...

    def done(self) -> None:
        """The job is over, or was broken off. May be called twice."""
        ...


class NullProgress:
    """Says nothing."""

    def stage(self, name: str, total: int) -> None:
        """Nothing."""

    def advance(self, n: int = 1) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def done(self) -> None:
        """Nothing."""


class TimedProgress:
    """Shows another progress, logs it, and keeps the seconds of every stage: on the wall, and of all processors."""

    def __init__(self, shown: Progress) -> None:
        self.shown, self.parts = shown, dict[str, dict[str, float]]()
        self._name: str | None = "data"
        self._began = _now()

    @property
    def heard(self) -> bool:
        """Whether somebody sees it, so that it is worth the time to find out what to say."""
        return not isinstance(self.shown, NullProgress)

    def stage(self, name: str, total: int) -> None:
        """Begin a stage; time spent before the first one went into reading the data."""
        self._note()
        self._name = name
        event("stage", name=name, steps=total)
        self.shown.stage(name, total)

    def advance(self, n: int = 1) -> None:
        """`n` more steps of the current stage are done."""
        self.shown.advance(n)

    def say(self, line: str) -> None:
        """Something has become known."""
        self.shown.say(line)

    def done(self) -> None:
        """The job is over."""
        self._note()
        self._name = None
        self.shown.done()

    def _note(self) -> None:
        """The time since the last note goes to the stage that ends; stages of one name are added up."""
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
    """Advances by one for each of the folders that comes to be there, whoever makes it, until the block ends.

    When the last folder of a name is there, that is said.
    """
    over, left = Event(), {name: list(own) for name, own in folders.items() if own}

    def look() -> None:
        for name, own in list(left.items()):
            missing = [folder for folder in own if not folder.is_dir()]
            if len(missing) < len(own):
                progress.advance(len(own) - len(missing))
            left[name] = missing
            if not missing:
                del left[name]
                progress.say(f"{name}: trained, {len(folders[name])} models")

    def keep_looking() -> None:
        while not over.wait(every):
            look()

    thread = Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()


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
        """The line, at once."""
        print(printable(line), file=self.stream, flush=True)

    def done(self) -> None:
        """Nothing: the last line stands."""

    def _write(self) -> None:
        now = time.monotonic()
        if not self.total or now - self.written < self.interval:
            return
        self.written = now
        left = remaining(now - self.began, self.steps, self.total)
        print(f"{self.name}: {self.steps} of {self.total}{left}", file=self.stream, flush=True)


def remaining(elapsed: float, steps: int, total: int) -> str:
    """The time left if every step takes as long as those before it; nothing where there is no telling.

    >>> remaining(30.0, 1, 4)
    ', about 1 min 30 s left'
    """
    if not 0 < steps < total:
        return ""
    return f", about {duration(elapsed * (total - steps) / steps)} left"


def duration(seconds: float) -> str:
    """In the units that people would use.

    >>> duration(4.2), duration(200), duration(9000)
    ('4 s', '3 min 20 s', '2 h 30 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class BarProgress:
    """One bar a stage, with the time spent and the time left: for terminals."""

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
        """Begin a stage of `total` steps; none is shown where there is nothing to do."""
        self._finish()
        self.bars.start()
        self.task = self.bars.add_task(name, total=total) if total else None

    def advance(self, n: int = 1) -> None:
        """`n` more steps of the current stage are done."""
        if self.task is not None:
            self.bars.advance(self.task, n)

    def say(self, line: str) -> None:
        """The line, above the bars."""
        self.bars.console.print(printable(line), markup=False, highlight=False)

    def done(self) -> None:
        """Leave the bars as they are and give the terminal back."""
        self.bars.stop()

    def _finish(self) -> None:
        if self.task is not None:
            self.bars.stop_task(self.task)


def progress_on(stream: TextIO = sys.stderr) -> Progress:
    """Bars if the stream is a terminal that can redraw them, else plain lines."""
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return BarProgress() if stream.isatty() and not dumb else LineProgress(stream)
