"""MATLAB's level 5 files, as far as plain arrays of numbers go. (Scipy's reader crashes on damaged ones.)

An element is a tag (type, number of bytes) and content. A matrix is an element of elements: flags, dimensions,
name, numbers; it may lie compressed inside another element.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER, VERSION = 128, b"\x00\x01IM"  # level 5, little-endian
COMPRESSED = 15
MOST_INFLATED, FREE = 10, 16_000_000  # bytes of an array for each compressed byte, and bytes of any array
TYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
NUMBERS = range(6, 16)  # classes: double, single, whole numbers; not cell, struct, object, text, sparse
COMPLEX = 0x800


def read_arrays(content: bytes, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """The arrays of these names; others are skipped. Raises ValueError, struct.error or zlib.error if damaged."""
    if content[HEADER - 4 : HEADER] != VERSION:
        raise ValueError("no level 5 header")
    found = {}
    for matrix in _matrices(memoryview(content)):
        (_, flags), (_, dimensions), (_, name), *numbers = _elements(matrix, 4)
        if (key := bytes(name).decode("latin1")) in names:
            found[key] = _array(key, flags, dimensions, numbers)
    return found


def _matrices(content: memoryview) -> Iterator[memoryview]:
    for kind, element in _elements(content[HEADER:]):
        if kind == COMPRESSED:
            inflater = zlib.decompressobj()
            _, size = struct.unpack("<II", inflater.decompress(element, 8))
            if size > MOST_INFLATED * len(element) + FREE:
                raise ValueError(f"{size} bytes announced in {len(element)} compressed ones")
            element = memoryview(inflater.decompress(inflater.unconsumed_tail, size))
        yield element


def _elements(content: memoryview, most: int | None = None) -> Iterator[tuple[int, memoryview]]:
    """The elements, at most so many, as (type, content)."""
    at = 0
    while at < len(content) and most != 0:
        kind, size = struct.unpack_from("<II", content, at)
        start = at + 8
        if kind >> 16:  # up to 4 bytes lie in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if start + size > len(content) or (start < at + 8 and size > 4):
            raise ValueError(f"{size} bytes announced, {len(content) - start} there")
        yield kind, content[start : start + size]
        at = start + size
        at += 0 if kind == COMPRESSED else -at % 8
        most = None if most is None else most - 1


def _array(
    name: str, flags: memoryview, dimensions: memoryview, numbers: list[tuple[int, memoryview]]
) -> NDArray[Any]:
    (flag,) = struct.unpack_from("<I", flags)
    shape = np.frombuffer(dimensions, "<i4")
    if flag & 0xFF not in NUMBERS or flag & COMPLEX or not numbers or numbers[0][0] not in TYPES:
        raise ValueError(f"{name} is no array of real numbers")
    kind, values = numbers[0]
    array = np.frombuffer(values, TYPES[kind])
    if len(shape) < 2 or np.prod(shape, dtype=object) != array.size:
        raise ValueError(f"{name} of {shape.tolist()}, {array.size} numbers there")
    return array.reshape(shape, order="F")
