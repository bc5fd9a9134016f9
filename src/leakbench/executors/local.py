"""Run everything in this process, one item after the other."""

from collections.abc import Callable, Iterable, Iterator

from .base import Item, Result


class LocalExecutor:
    """The `Executor` without any other process: an item is computed when its result is asked for."""

    def map(self, fn: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """fn of each item, lazily and in order."""
        return map(fn, items)
