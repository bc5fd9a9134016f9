"""What runs functions over items: here, or on other processes or machines."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """Anything with this `map`: the results in the order of the items, each as soon as it is there."""

    def map(self, fn: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """fn of each item."""
        ...
