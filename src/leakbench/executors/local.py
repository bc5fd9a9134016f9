"""Helpers that are processes of this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits


class LocalExecutor:
    """`processes` on one store, this one among them, each with its share of the cores. It is an `Executor`."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.lost: list[str] = []  # what helpers said that ended before their work did

    @contextmanager
    def helping(self, study: dict[str, Any], store: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
        """While the block runs, the others help; then they are ended, as they are when this process dies."""
        if self.processes == 1:
            yield []
            return
        import torch

        threads, before = max(1, cores() // self.processes), torch.get_num_threads()
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-m", "leakbench", "work", "-", "--store", str(store.resolve())]
        helpers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
            for _ in range(self.processes - 1)
        ]
        try:
            for helper in helpers:
                _tell(helper, study)
            torch.set_num_threads(threads)
            with threadpool_limits(threads):
                yield helpers
        finally:
            torch.set_num_threads(before)
            for helper in helpers:
                self._end(helper)

    def _end(self, helper: subprocess.Popen[bytes]) -> None:
        """End a helper. What it was making is lost with it, and made again by whoever comes to it."""
        failed = helper.poll() not in (None, 0)
        helper.kill()
        _, said = helper.communicate()
        if failed:
            self.lost.append((said.decode(errors="replace").strip().splitlines() or ["nothing"])[-1])


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(helper: subprocess.Popen[bytes], study: dict[str, Any]) -> None:
    """Hand over the study. The pipe stays open: its end is how a helper learns that this process is gone."""
    assert helper.stdin is not None
    try:
        helper.stdin.write(json.dumps(study).encode() + b"\n")
        helper.stdin.flush()
    except BrokenPipeError:
        pass  # it ended at once; its work is done here
