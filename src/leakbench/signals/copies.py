"""Records for which all models predict exactly the same, and whose label agrees: copies of one record, or nearly so.

Records that are alike stay together wherever records are split into halves: what was fitted or chosen on one of them
has seen the other. Copies also count as one record in intervals. Predictions that are rounded or saturated make records
alike that differ; `copies` tells them apart.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axes import Numbers

Ints = NDArray[np.intp]

COMMON = (
    0.05  # share of the records from which on a prediction is a common value, and its records are not alike
)
FEW = 10  # records that may always be alike
AT_ONCE = 2**21  # numbers that are hashed at a time
BLOCK = 64  # numbers of each record that are compared before the others
COARSE = 20.0  # steps that a number lies away from its neighbours if it was not rounded to one of them


def alike(labels: NDArray[np.int64] | None, predictions: Iterable[Numbers], n: int) -> Ints:
    """For each of n records the first one that is alike, often itself [n].

    `predictions` are arrays [V, n, ...], one a model. A prediction that more than COMMON of the records (and FEW) have
    makes them not alike: a half must not depend on where one value falls.
    """
    first = np.arange(n) if labels is None else _first(labels[:, None])
    if labels is None:
        first[:] = 0
    if not (among := _shared(first)).size:
        return first
    for array in predictions:
        parts = np.array_split(among, -(-array.size // AT_ONCE))
        hashes = np.concatenate([_hashed(array[:, part]) for part in parts])
        first[among] = among[_first(np.column_stack([first[among], hashes]))]
        if not (among := _shared(first)).size:
            return first
    common = np.bincount(first, minlength=n)[first] > max(COMMON * n, FEW)
    return np.where(common, np.arange(n), first)


def of_content(labels: NDArray[np.int64], x: NDArray[Any], rows: Ints) -> Ints:
    """For each record of `rows` [n] the first one with the same label and content x [N, ...], often itself [n].

    Where the records are known, their outputs need not be compared: noise makes those of copies differ, and saturation
    makes those of other records equal.
    """
    content = x.reshape(len(x), -1)
    starts = range(0, content.shape[1], BLOCK)
    blocks = (content[rows, at : at + BLOCK][None].astype(np.float64) for at in starts)
    return alike(labels[rows], blocks, len(rows))


def _shared(first: Ints) -> Ints:
    """The records that are not alone."""
    return np.flatnonzero(np.bincount(first, minlength=first.size)[first] > 1)


def _first(rows: NDArray[np.int64]) -> Ints:
    """For each row [n, d] the first row that equals it [n]."""
    order = np.lexsort(rows.T)
    ordered = rows[order]
    starts = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    found = np.empty(len(rows), dtype=np.intp)
    found[order] = order[starts][np.cumsum(starts) - 1]
    return found


def _hashed(predictions: Numbers) -> NDArray[np.int64]:
    """64 bits for each record of [V, n, ...]; two that differ share them with a probability of 2^-33 or less."""
    rows = np.moveaxis(predictions, 1, 0).reshape(predictions.shape[1], -1)
    words = np.ascontiguousarray(rows).view(np.uint16).astype(np.uint64)
    factors = np.random.default_rng(0).integers(0, 2**64, words.shape[1], dtype=np.uint64)
    return (words @ factors).view(np.int64)


def copies(first: Ints, numbers: Numbers) -> Ints:
    """For each record the first one that it is a copy of, often itself [n].

    `first` as `alike` gives it; `numbers` [n] are one of each prediction. A number is telling if it lies COARSE times
    as far from all others as the closest two are, or as its type can resolve; the smallest and the largest, where
    predictions saturate, are not. Records that are alike are copies where their number is telling, and all are
    where most others of their numbers are. Where FEW records or more have the same prediction on average, none are.
    """
    itself, levels = np.arange(first.size), np.unique(numbers)
    shared = _shared(first)
    if levels.size < 3 or np.unique(first).size * FEW < first.size:
        return itself
    gaps = np.diff(levels)
    step = np.maximum(gaps.min(), np.spacing(np.abs(levels[1:-1])))
    alone = np.minimum(gaps[1:], gaps[:-1]) > COARSE * step
    told = np.concatenate([[False], alone, [False]])[np.searchsorted(levels, numbers)]
    inner = shared[(numbers[shared] > levels[0]) & (numbers[shared] < levels[-1])]
    return first if inner.size and told[inner].mean() > 0.5 else np.where(told, first, itself)
