"""The interface of executors, which start workers on the same store."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from ...data.dataset import Dataset


class Executor(Protocol):
    """Starts worker processes with `start_workers`.

    Work is shared through the store alone: every process makes what no other process has claimed. A worker may start
    late, fail or be lost, and the results are the same: another process repeats the work that it had begun.
    """

    @property
    def lost(self) -> list[str]:
        """The last message of each worker that failed."""
        ...

    def start_workers(
        self, study: dict[str, Any], store: str, dataset: Dataset
    ) -> AbstractContextManager[object]:
        """While the block runs, workers run `leakbench work` on this study, this data set and this store."""
        ...
