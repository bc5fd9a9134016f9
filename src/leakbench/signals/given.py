"""What Python callers give as arrays: lists, tensors, columns of a table. Nothing is guessed."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


def as_array(name: str, value: Any) -> NDArray[Any]:
    """The value as an array of numbers, truth values or text.

    Raises InputError for what is no array, a masked array, and Python objects that are neither numbers nor text.
    """
    if np.ma.is_masked(value):
        raise InputError(f"{name} must have no masked values; leave those records out of every array")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # rows of several lengths, in NumPy before 1.24
            array = np.asarray(value)
            plain = np.array(array.tolist()) if array.dtype.kind == "O" else array
    except Exception as error:  # what a foreign object raises when it is asked for its numbers
        raise InputError(
            f"{name} must be an array, or lists of one shape, got {type(value).__name__} ({_first_line(error)}); "
            f"from a torch tensor take {name}.detach().float().cpu().numpy()"
        ) from None
    if plain.dtype.kind == "O" or plain.shape != array.shape:
        odd = {type(item).__name__ for item in array.flat} - {"int", "float", "str", "bool"} or {"int"}
        raise InputError(
            f"{name} must hold numbers or text, got Python objects of type {', '.join(sorted(odd))}"
        )
    return plain


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
