"""The standard streams of a command: a closed pipe or a full disk behind them does not end its work."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

BROKEN_PIPE = 141  # 128 + SIGPIPE: what a shell reports of `cat` when its reader has gone


class Output(io.FileIO):
    """A file whose first failure to write is kept and not raised; everything after it is dropped."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        """The number of bytes of `data`, whether they were written or not."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failure = error
        return len(data)

    @property
    def reader_left(self) -> bool:
        """Whether it is a pipe that nobody reads any more."""
        return self.failure is not None and self.failure.errno == errno.EPIPE


@contextmanager
def standard_streams() -> Iterator[Output | None]:
    """While the block runs, writing to stdout and stderr does not raise. Gives what is behind stdout.

    None where stdout is not a plain file, such as the console of Windows or a stream of a test.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it is closed, and the next file opened would take its number
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    with ExitStack() as at_the_end:
        at_the_end.enter_context(_guarded("stderr"))
        yield at_the_end.enter_context(_guarded("stdout"))


@contextmanager
def _guarded(name: str) -> Iterator[Output | None]:
    stream = getattr(sys, name)
    if isinstance(stream, io.TextIOWrapper) and name == "stdout":
        stream.reconfigure(errors="replace")  # a terminal without × or – still shows the numbers
    raw = getattr(getattr(stream, "buffer", None), "raw", getattr(stream, "buffer", None))
    if type(raw) is not io.FileIO:
        yield None
        return
    output = Output(raw.fileno(), "wb", closefd=False)
    text = io.TextIOWrapper(
        io.BufferedWriter(output),
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    stream.flush()
    setattr(sys, name, text)
    try:
        yield output
    finally:
        text.flush()
        setattr(sys, name, stream)
