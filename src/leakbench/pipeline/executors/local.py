"""Helpers that are processes of this machine."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import IO, Any

from ...core.cpu import cores, threads
from ...core.log import WARNING, event, log_file
from ...data.dataset import Dataset


class LocalExecutor:
    """`processes` on one store, this one among them, each with its share of the cores. It is an `Executor`."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.lost: list[str] = []  # what helpers said that ended before their work did

    @contextmanager
    def helping(
        self, study: dict[str, Any], store: str, dataset: Dataset | None = None
    ) -> Iterator[list[subprocess.Popen[bytes]]]:
        """While the block runs, the others help; then they are ended, as they are when this process dies.

        They read the data set themselves.
        """
        if self.processes == 1:
            yield []
            return
        each = max(1, cores() // self.processes)
        environment = os.environ | {"OMP_NUM_THREADS": str(each)}
        command = [sys.executable, "-P", "-m", "leakbench", "work", "-", "--store", store]
        command += ["--allow-imports"]  # what the study may import was decided when it was parsed here
        command += ["--log", str(log)] if (log := log_file()) else []
        with ExitStack() as at_the_end:
            helpers = []
            for _ in range(self.processes - 1):
                said = at_the_end.enter_context(tempfile.TemporaryFile())  # a pipe would fill unread
                helper = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said, env=environment)
                at_the_end.callback(self._end, helper, said)
                _tell(helper, study)
                helpers.append(helper)
            with threads(each):
                yield helpers

    def _end(self, helper: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        """End a helper. What it was making is lost with it, and made again by whoever comes to it."""
        failed = helper.poll() not in (None, 0)
        helper.kill()
        helper.communicate()
        if failed:
            said.seek(0)
            last = (said.read().decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
            self.lost.append(last)
            event("helper lost", WARNING, said=last)


def told() -> dict[str, Any]:
    """The study that a run writes to this helper's input; when the run is gone, so is the helper."""

    def end() -> None:
        sys.stdin.read()
        os._exit(1)

    study: dict[str, Any] = json.loads(sys.stdin.readline())
    Thread(target=end, daemon=True).start()
    return study


def _tell(helper: subprocess.Popen[bytes], study: dict[str, Any]) -> None:
    """Hand over the study. The pipe stays open: its end is how a helper learns that this process is gone."""
    assert helper.stdin is not None
    try:
        helper.stdin.write(json.dumps(study).encode() + b"\n")
        helper.stdin.flush()
    except BrokenPipeError:
        pass  # it ended at once; its work is done here
