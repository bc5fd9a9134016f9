"""Missing numbers of a table, and its scale: from the records outside the test part.

Both are the same for all models. They depend on the whole pool and not on the members of a model, so they do not leak
membership. They do not depend on the test part, so that accuracy is that on unseen records.
"""

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..signals.types import Bools
from .dataset import Indices

Scale = tuple[tuple[float, ...], tuple[float, ...]]


def impute(x: NDArray[np.float32], outside: Indices, name: str) -> None:
    """Replace NaN in x [N, D] by the median of its column over the rows `outside` the test part.

    Raises InputError for a column that has no value there.
    """
    missing = np.isnan(x)
    for column in np.flatnonzero(missing.any(axis=0)):
        there = x[outside, column]
        if np.isnan(there).all():
            raise InputError(
                f"feature {column} of {name!r} must have a value outside the test part, got none; drop its column"
            )
        x[missing[:, column], column] = np.nanmedian(there)


def standardisation(x: NDArray[np.float32], numeric: Bools, outside: Indices) -> Scale:
    """Mean and standard deviation [D] of the quantities over the rows `outside` the test part; 0 and 1 of the others.

    Empty if no feature is a quantity, that is, if all hold only 0 and 1.
    """
    mean, std = np.zeros(x.shape[1]), np.ones(x.shape[1])
    for column in np.flatnonzero(numeric):
        values = x[outside, column].astype(np.float64)
        if not np.isin(values, (0, 1)).all() and (spread := values.std()) > 0:
            mean[column], std[column] = values.mean(), spread
    return (tuple(mean.tolist()), tuple(std.tolist())) if (std != 1).any() else ((), ())
