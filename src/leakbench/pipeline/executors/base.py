"""What brings others to work on the same store."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from ...data.dataset import Dataset


class Executor(Protocol):
    """Anything with this `helping`.

    Work is shared through the store alone: every process makes what no other has claimed. So a helper may come late,
    fail or be lost, and the result is the same; what it had begun is begun again by someone else.
    """

    @property
    def lost(self) -> list[str]:
        """What helpers said that ended before their work did."""
        ...

    def helping(self, study: dict[str, Any], store: str, dataset: Dataset) -> AbstractContextManager[object]:
        """While the block runs, others run `leakbench work` on this study, whose data is given, and this store."""
        ...
