"""What is known of the records beside their labels, as few numbers: for attackers who look at the records."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COMPONENTS = 32  # to which more columns are reduced
FITTED_ON = 5000  # records, evenly spaced, from which the components are found
MOST_CATEGORIES = 250  # the most frequent ones; all others are one


def components(x: NDArray[Any], rows: NDArray[np.integer[Any]] | None = None) -> Array:
    """The records x[rows], or all [N, ...], as numbers [N, D] with D at most COMPONENTS.

    These are their columns, or the first principal components of more of them. A missing number is the mean of its
    column; text is a category, numbered by falling frequency.
    """
    flat, rows = x.reshape(len(x), -1), np.arange(len(x)) if rows is None else rows
    if flat.dtype.kind == "U":
        flat = np.stack([column(values)[0] for values in flat.T], axis=1)
    if flat.shape[1] <= COMPONENTS:
        return _complete(flat[rows])
    from sklearn.decomposition import PCA

    parts = -(-len(rows) // FITTED_ON)
    some = _complete(flat[rows[::parts]])
    found = PCA(min(COMPONENTS, len(some)), svd_solver="randomized", random_state=0).fit(some)
    return np.concatenate([found.transform(_complete(flat[part])) for part in np.array_split(rows, parts)])


def _complete(columns: NDArray[Any]) -> Array:
    """Columns [N, D] in double precision, without missing numbers."""
    wide = columns.astype(np.float64)
    missing = np.isnan(wide)
    if not missing.any():
        return wide
    there = (~missing).sum(axis=0)
    means = np.where(missing, 0.0, wide).sum(axis=0) / np.maximum(there, 1)
    return np.where(missing, means, wide)


def column(values: NDArray[Any]) -> tuple[Array, bool]:
    """A feature [N] as numbers, NaN where none is or an infinite one, and whether they stand for categories."""
    try:
        numbers = np.where(values == "", "nan", values) if values.dtype.kind == "U" else values
        numbers = numbers.astype(np.float64)
    except ValueError:
        return ranked(values), True
    return np.where(np.isfinite(numbers), numbers, np.nan), False


def ranked(values: NDArray[Any]) -> Array:
    """Categories [N] by falling frequency, 0 for the most frequent; the rarest share a number."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
    return np.minimum(rank, MOST_CATEGORIES)[place].astype(np.float64)
