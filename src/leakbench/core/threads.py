"""Threads over independent parts of a study."""

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
    """As many threads as this process may use, at most `most`: sorting and fitting release Python's lock.

    Linear algebra runs single-threaded in each thread, because nested threads would wait for each other. When an item
    fails, or Ctrl-C is pressed, the others end at their next call of `advance`.
    """

    def __init__(self, progress: Progress, most: int | None = None) -> None:
        self.progress, self._most = progress, most
        self._over = Event()

    @property
    def threads(self) -> int:
        """The number of threads."""
        return min(allowed(), self._most or allowed())

    def advance(self, n: int = 1) -> None:
        """`n` more steps are done. Raises CancelledError after another item has failed."""
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
        """The results of two functions that run in parallel."""
        found: list[Any] = self.map(lambda work: work(), [one, other])
        return found[0], found[1]

    def each(self, work: Callable[[Item], None], items: Sequence[Item]) -> None:
        """`map` for work without a result."""
        self.map(work, items)


def _single_threaded() -> None:
    """Have torch and OpenMP use one thread for the calling one; OpenMP takes no limit from the thread that set it."""
    _torch_threads(1)
    threadpool_limits(1, user_api="openmp")


def _torch_threads(n: int) -> None:
    """Set torch's number of threads for this thread, if torch is imported."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)
