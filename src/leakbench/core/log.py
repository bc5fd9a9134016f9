"""A structured log of runs: one JSON object per line. Every process of a run may append to it."""

import json
import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from logging import INFO, WARNING
from pathlib import Path
from typing import Any, TextIO

__all__ = ["INFO", "WARNING", "captured", "event", "log_file", "logged_to", "root_logger_kept"]

_LOG = logging.getLogger("leakbench")
_LOG.addHandler(logging.NullHandler())  # nothing is written unless a handler is added


def event(what: str, level: int = INFO, /, **about: Any) -> None:
    """Log an event with details `about`, which are plain data."""
    _LOG.log(level, what, extra={"about": about})


class _JsonLines(logging.FileHandler):
    """Writes each event as one line, at once. Several processes may append to one file."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": os.getpid(),
            "event": record.getMessage(),
        }
        return json.dumps(line | getattr(record, "about", {}), ensure_ascii=False)


@contextmanager
def logged_to(path: str | Path | None) -> Iterator[None]:
    """Append the events of the block to a file, made with its folder at the first event. None: no file."""
    if path is None:
        yield
        return
    handler, level = _JsonLines(path, encoding="utf-8", delay=True), _LOG.level
    _LOG.addHandler(handler)
    _LOG.setLevel(INFO)
    try:
        yield
    finally:
        _LOG.setLevel(level)
        _LOG.removeHandler(handler)
        handler.close()


class _Libraries(logging.Handler):
    """Turns the log messages of other libraries into events."""

    def emit(self, record: logging.LogRecord) -> None:
        event("library", record.levelno, name=record.name, said=record.getMessage())


@contextmanager
def captured() -> Iterator[list[str]]:
    """Turn the log messages and warnings of libraries into events while the block runs; nothing is printed.

    Use it only in a process of leakbench's own. Yields the list of Python's warnings, each once.
    """
    root, handler, said = logging.getLogger(), _Libraries(), list[str]()

    def warned(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        event("warning", WARNING, category=category.__name__, said=str(message), at=f"{filename}:{lineno}")
        text = f"{category.__name__}: {message}"
        if text not in said:
            said.append(text)

    root.addHandler(handler)
    _LOG.propagate = False
    with warnings.catch_warnings():
        warnings.showwarning = warned
        try:
            yield said
        finally:
            _LOG.propagate = True
            root.removeHandler(handler)


@contextmanager
def root_logger_kept() -> Iterator[None]:
    """Keep the root logger as it is while the block imports a library that calls `logging.basicConfig`."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)  # basicConfig does not change a logger that has a handler
    try:
        yield
    finally:
        root.removeHandler(handler)


def log_file() -> Path | None:
    """The file that events go to, if there is one."""
    return next((Path(h.baseFilename) for h in _LOG.handlers if isinstance(h, _JsonLines)), None)
