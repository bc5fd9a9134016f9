"""Arrays in files that may be larger than memory: read one model at a time, then released."""

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...signals.axes import Numbers
from ...signals.types import ByModel, PerModel, Records, on_records

PART = 2**24  # bytes


def by_model(array: NDArray[Any], kind: DTypeLike) -> ByModel:
    """An array [M, ...] in a floating type; one in a mapped file stays there, and is read one model at a time."""
    file = _file(array)
    if file is None:
        return array.astype(kind, copy=False)

    def load(m: int, records: Records | None = None) -> Numbers:
        part = np.array(array[m] if records is None else array[m][:, records], dtype=kind)
        let_go(file)
        return part

    return PerModel(array.shape, load, np.dtype(kind), load)


def joined(first: ByModel, second: ByModel) -> ByModel:
    """The models of both arrays, concatenated."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.concatenate([first, second])
    n = len(first)
    shape = (n + len(second), *first.shape[1:])
    kind = np.promote_types(first.dtype, second.dtype)

    def load_records(m: int, records: Records) -> Numbers:
        part = on_records(first, m, records) if m < n else on_records(second, m - n, records)
        return part.astype(kind, copy=False)

    return PerModel(
        shape, lambda m: (first[m] if m < n else second[m - n]).astype(kind, copy=False), kind, load_records
    )


def parts(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The array in parts of some megabytes along its first axis, each of which is released before the next is read."""
    file = _file(array)
    rows = max(1, PART * len(array) // max(array.nbytes, 1)) if array.ndim else 1
    for first in range(0, len(array), rows) if array.ndim else ():
        yield array[first : first + rows]
        if file is not None:
            let_go(file)
    if not array.ndim:
        yield array


def let_go(file: mmap.mmap) -> None:
    """Release the memory of a mapped file."""
    if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        file.madvise(mmap.MADV_DONTNEED)


def _file(array: NDArray[Any]) -> mmap.mmap | None:
    """The file that an array, or its base, is mapped from, if the mapping is read-only."""
    base: Any = array
    read_only = False
    while isinstance(base, np.ndarray):
        read_only |= isinstance(base, np.memmap) and base.mode == "r"
        base = base.base
    return base if isinstance(base, mmap.mmap) and read_only else None
