"""Labels as files hold them, turned into 0..C-1 with the classes' names."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..signals.types import Labels

EXACT = 2.0**53  # up to it whole numbers are exact in double precision


def encode(labels: NDArray[Any], names: tuple[str, ...] | None = None) -> tuple[Labels, tuple[str, ...]]:
    """Labels [N] in 0..C-1, and the names of the C classes.

    With `names`, labels are already indices into them. Without, classes are the distinct labels: numbers,
    also those written as text, in their order; text in alphabetical order. Raises InputError for fractions.

    >>> encode(np.array(["10", "2", "10"]))
    (array([1, 0, 1]), ('2', '10'))
    """
    labels = _whole(np.asarray(labels))
    if names is not None:
        return _indices(labels, names), names
    distinct, y = np.unique(labels, return_inverse=True)
    texts = [str(value) for value in distinct]
    if labels.dtype.kind not in "iu" and all(re.fullmatch("-?[0-9]+", text) for text in texts):
        order = np.argsort([int(text) for text in texts], kind="stable")
        y = np.argsort(order)[y]
        texts = [texts[i] for i in order]
    return y.astype(np.int64), tuple(texts)


def _whole(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as integers or as text."""
    if labels.dtype.kind == "S":
        return labels.astype(np.str_)
    if labels.dtype.kind in "iuUO":
        return labels
    whole = labels.dtype.kind == "b"
    if labels.dtype.kind == "f":
        wide = labels.astype(np.float64)  # half precision does not hold EXACT
        whole = bool((np.abs(wide) < EXACT).all() and (wide == np.floor(wide)).all())
    if not whole:
        raise InputError(
            f"labels must be whole numbers or text, one a class, got other values ({labels.dtype})"
        )
    return labels.astype(np.int64)


def _indices(labels: NDArray[Any], names: tuple[str, ...]) -> Labels:
    if labels.dtype.kind not in "iu":
        raise InputError(f"labels must be indices of the {len(names)} class names, got {labels.dtype} values")
    if labels.size and not 0 <= labels.min() <= labels.max() < len(names):
        bounds = f"0..{len(names) - 1}"
        raise InputError(
            f"labels must lie in {bounds}, one class name each, got {labels.min()}..{labels.max()}"
        )
    return labels.astype(np.int64)
