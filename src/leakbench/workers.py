"""Threads over parts of a study that share nothing but what they read."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from .progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """As many threads as this process may use: sorting and fitting release Python's lock.

    Each thread keeps to itself: linear algebra that threads too would only make them wait for each other. Once one
    item has failed, or Ctrl-C was pressed, `advance` ends the others: they stop at their next step.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._over = Event()

    def advance(self, n: int = 1) -> None:
        """`n` more steps are done. Raises CancelledError where the rest is not wanted any more."""
        if self._over.is_set():
            raise CancelledError
        self.progress.advance(n)

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`work` on each item; the results in their order. Raises what `work` raised first."""
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
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
            torch.set_num_threads(threads)

    def each(self, work: Callable[[Item], None], items: Sequence[Item]) -> None:
        """`map`, for what gives nothing back."""
        self.map(work, items)
