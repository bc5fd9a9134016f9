"""Converts the arrays of Python callers: lists, tensors, columns of a table."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError


def as_array(name: str, value: Any) -> NDArray[Any]:
    """The value as an array of numbers, truth values or text.

    Tensors are copied to the CPU and detached from their graph; floating types that NumPy lacks, such as bfloat16,
    become float32. Raises InputError for what is no array, a masked array, and Python objects that are neither numbers
    nor text.
    """
    if np.ma.is_masked(value):
        raise InputError(f"{name} must have no masked values; leave those records out of every array")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # rows of several lengths, in NumPy before 1.24
            array = _known(np.asarray(_detached(value)))
            plain = np.array(array.tolist()) if array.dtype.kind == "O" else array
    except Exception as error:  # any exception type, as foreign objects raise their own
        raise InputError(
            f"{name} must be an array, or lists of one shape, got {type(value).__name__} ({_first_line(error)}); "
            "convert it to a NumPy array"
        ) from None
    if plain.dtype.kind == "O" or plain.shape != array.shape:
        odd = {type(item).__name__ for item in array.flat} - {"int", "float", "str", "bool"} or {"int"}
        raise InputError(
            f"{name} must hold numbers or text, got Python objects of type {', '.join(sorted(odd))}; "
            "convert it to a NumPy array of numbers or text"
        )
    return plain


def _detached(value: Any) -> Any:
    """A torch tensor, also inside lists, as a NumPy array; other values unchanged."""
    if isinstance(value, list | tuple):
        nested = len(value) > 0 and (isinstance(value[0], list | tuple) or hasattr(value[0], "detach"))
        return [_detached(each) for each in value] if nested else value
    if not hasattr(value, "detach"):
        return value
    try:
        return value.numpy(force=True)
    except TypeError:  # a type that NumPy lacks
        return value.float().numpy(force=True)


def _known(array: NDArray[Any]) -> NDArray[Any]:
    """An array of a type that another library added to NumPy, such as bfloat16, in single precision."""
    is_added = array.dtype.kind == "V" and array.dtype.names is None and "float" in array.dtype.name
    return array.astype(np.float32) if is_added else array


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
