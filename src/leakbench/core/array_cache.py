"""A bounded cache of arrays that are costly to compute and used several times."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KEPT = 2**28  # bytes


class Recent:
    """A cache of read-only arrays by name and model, of up to KEPT bytes.

    Callers go through the models in order, again and again. Evicting the least recently used array would therefore
    evict the next one that is needed. Whole names are evicted instead, the least recently used one first. If that does
    not make enough room, the new array is not cached.

    >>> recent = Recent()
    >>> recent.get("loss", 0, lambda: np.zeros(3)) is recent.get("loss", 0, lambda: np.ones(3))
    True
    """

    def __init__(self) -> None:
        self._arrays: OrderedDict[str, dict[int, Array]] = OrderedDict()
        self._size = 0
        self._one_at_a_time = Lock()

    def get(self, name: str, m: int, make: Callable[[], Array]) -> Array:
        """Model m's array of a name, from the cache or from `make`."""
        with self._one_at_a_time:
            kept = self._arrays.setdefault(name, {})
            self._arrays.move_to_end(name)
            if m in kept:
                return kept[m]
        array = make()
        array.setflags(write=False)
        with self._one_at_a_time:
            self._keep(name, m, array)
        return array

    def _keep(self, name: str, m: int, array: Array) -> None:
        for other in [n for n in self._arrays if n != name]:
            if self._size + array.nbytes <= KEPT:
                break
            self._size -= sum(a.nbytes for a in self._arrays.pop(other).values())
        kept = self._arrays.setdefault(name, {})
        if m not in kept and self._size + array.nbytes <= KEPT:
            kept[m] = array
            self._size += array.nbytes
