"""How a process handles its memory. Only the command line sets this: a library leaves its process as it is."""

import ctypes
import gc
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT = 256 * 2**20  # bytes at the heap's end that are kept
LARGEST = 32 * 2**20  # bytes of one piece, the most that glibc takes


@cache
def keep_freed_memory() -> None:
    """Let the C library reuse freed memory, up to `KEPT` bytes.

    Otherwise glibc returns the tensors of a training step to the system, which has to clear each page for the next
    step: a fifth of the time of a small convolutional network. Other C libraries are not changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST)


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """Limit Python's garbage collection to objects that the block makes.

    The imported modules have more than a hundred thousand objects. A collection of them takes a tenth of a second, and
    happens about once a second.
    """
    frozen = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not frozen:  # objects that were frozen before stay frozen
            gc.unfreeze()


@contextmanager
def trained_in() -> Iterator[None]:
    """Inside, this process keeps freed memory, and looks for new garbage only. Enter it when all is imported."""
    keep_freed_memory()
    with only_new_garbage():
        yield
