"""Workers that are processes of this machine."""

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
    """An `Executor` with `processes` on this machine, this one included. Each has its share of the cores."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.lost: list[str] = []  # the last message of each worker that failed

    @contextmanager
    def start_workers(
        self, study: dict[str, Any], store: str, dataset: Dataset | None = None
    ) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run `processes - 1` workers while the block runs. They also end when this process dies.

        Each worker reads the data set itself.
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
            workers = []
            for _ in range(self.processes - 1):
                said = at_the_end.enter_context(tempfile.TemporaryFile())  # a pipe would fill unread
                worker = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said, env=environment)
                at_the_end.callback(self._end, worker, said)
                _send_study(worker, study)
                workers.append(worker)
            with threads(each):
                yield workers

    def _end(self, worker: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        """End a worker. Another process repeats the work that it had begun."""
        failed = worker.poll() not in (None, 0)
        worker.kill()
        worker.communicate()
        if failed:
            said.seek(0)
            last = (said.read().decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
            self.lost.append(last)
            event("worker lost", WARNING, said=last)


def read_study() -> dict[str, Any]:
    """The study that a run writes to the input of this worker. The worker ends when its input does."""

    def end() -> None:
        sys.stdin.read()
        os._exit(1)

    study: dict[str, Any] = json.loads(sys.stdin.readline())
    Thread(target=end, daemon=True).start()
    return study


def _send_study(worker: subprocess.Popen[bytes], study: dict[str, Any]) -> None:
    """Write the study to the worker's input. The pipe stays open: its end says that this process has ended."""
    assert worker.stdin is not None
    try:
        worker.stdin.write(json.dumps(study).encode() + b"\n")
        worker.stdin.flush()
    except BrokenPipeError:
        pass  # the worker has ended; this process does its work
