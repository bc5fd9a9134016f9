"""Threads over parts of a study that share nothing but what they read."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from threading import Event
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from .cpu import allowed
from .progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """As many threads as this process may use: sorting and fitting release Python's lock.

    Each thread keeps to itself: linear algebra that threads too would only make them wait for each other. Once one
    item has failed, or Ctrl-C was pressed, `advance` ends the others: they stop at their next step. `most` bounds how
    many they are.
    """

    def __init__(self, progress: Progress, most: int | None = None) -> None:
        self.progress, self._most = progress, most
        self._over = Event()

    @property
    def threads(self) -> int:
        """How many there are."""
        return min(allowed(), self._most or allowed())

    def advance(self, n: int = 1) -> None:
        """`n` more steps are done. Raises CancelledError where the rest is not wanted any more."""
        if self._over.is_set():
            raise CancelledError
        self.progress.advance(n)

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`work` on each item; the results in their order. Raises what `work` raised first."""
        threads = allowed()
        pool = ThreadPoolExecutor(self.threads, initializer=_single_threaded)
        try:
            with threadpool_limits(1):
                futures = [pool.submit(work, item) for item in items]
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                return [future.result() for future in futures]
        except BaseException:
            self._over.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            _torch_threads(threads)

    def both(self, one: Callable[[], Item], other: Callable[[], Result]) -> tuple[Item, Result]:
        """What the two give, side by side."""
        found: list[Any] = self.map(lambda work: work(), [one, other])
        return found[0], found[1]

    def each(self, work: Callable[[Item], None], items: Sequence[Item]) -> None:
        """`map`, for what gives nothing back."""
        self.map(work, items)


def _single_threaded() -> None:
    """Have torch and OpenMP use one thread for the calling one; OpenMP takes no limit from the thread that set it."""
    _torch_threads(1)
    threadpool_limits(1, user_api="openmp")


def _torch_threads(n: int) -> None:
    """Have torch use n threads for what this one asks of it, where it is loaded: an audit may do without."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)
