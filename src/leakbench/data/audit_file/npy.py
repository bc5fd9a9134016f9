"""npy files of unknown origin: the header is bounded, and its declared size is compared with the file.

Reading raises the exceptions of NumPy on a damaged header, ValueError for a wrong declared size, and PythonObjectsError
for pickles, which are not read.
"""

import math
import warnings
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

LONGEST_HEADER = 10_000  # bytes
CHUNK = 2**20  # bytes that are read at once
HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


class PythonObjectsError(ValueError):
    """The array holds Python objects, which only a pickle can hold."""


class Layout(NamedTuple):
    """The type, shape and order of the bytes after a header."""

    shape: tuple[int, ...]
    order: str  # "C" or "F"
    dtype: np.dtype[Any]


def read_layout(file: IO[bytes], size: int) -> Layout:
    """The layout of the array in an npy file of `size` bytes; the file is then at the array's first byte."""
    version = npy_format.read_magic(file)
    if version not in HEADERS:  # 3.0 is for names of fields, and 0.0 is none
        raise ValueError(f"version {version[0]}.{version[1]} of the npy format")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a header's literals
        shape, fortran, dtype = HEADERS[version](file, max_header_size=LONGEST_HEADER)
    if dtype.hasobject:
        raise PythonObjectsError("Python objects")
    if dtype.itemsize == 0 or dtype.subdtype is not None:
        raise ValueError(f"its dtype is {dtype}")
    if any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"its shape is {shape}")
    declared, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if declared != there:
        raise ValueError(f"its header declares {declared} bytes of {dtype} {shape}, and {there} are there")
    if declared == 0:
        raise ValueError(f"it holds no values, its shape is {shape}")
    return Layout(shape, "F" if fortran else "C", dtype)


def read_array(file: IO[bytes], layout: Layout) -> NDArray[Any]:
    """The array, read into memory, with the checksum that stands behind it in a zip."""
    content = np.empty(math.prod(layout.shape) * layout.dtype.itemsize, np.uint8)
    for start in range(0, content.size, CHUNK):
        part = content[start : start + CHUNK]
        part[:] = np.frombuffer(file.read(part.size), np.uint8)
    if file.read(1):
        raise ValueError("more bytes than its header declares")
    return content.view(layout.dtype).reshape(layout.shape, order=layout.order)  # type: ignore[call-overload,no-any-return]


def map_array(file: IO[bytes], layout: Layout) -> NDArray[Any]:
    """The array, mapped read-only."""
    return np.memmap(file, layout.dtype, "r", file.tell(), layout.shape, layout.order)  # type: ignore[call-overload,no-any-return]
