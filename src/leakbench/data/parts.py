"""Splits a data set into parts: at random, stratified by class, the same for the same seed."""

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.seeds import stream
from ..signals.types import Bools, Labels
from .dataset import Indices


def quotas(counts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """How many of n places each class gets: its share of the records, rounded, and at least one if n allows.

    >>> quotas(np.array([50, 30, 1]), 8).tolist()
    [4, 3, 1]
    """
    share = counts * (n / counts.sum())
    least = np.minimum(counts, 1) if n >= np.count_nonzero(counts) else np.zeros_like(counts)
    quota: NDArray[np.int64] = np.maximum(np.floor(share).astype(np.int64), least)
    while quota.sum() < n:
        quota[np.argmax(share - quota)] += 1
    while (
        quota.sum() > n
    ):  # `least` has assigned more than n: take from the classes that are most above their share
        quota[np.argmax(np.where(quota > least, quota - share, -np.inf))] -= 1
    return quota


def stratified(rows: Indices, y: Labels, n: int, rng: np.random.Generator) -> Indices:
    """A random n of `rows`, sorted, with each class (label y of the whole data set) in its proportion."""
    if n == 0:
        return np.empty(0, np.int64)
    shuffled = rng.permutation(rows)
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    counts = np.bincount(y[rows])
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[rank < np.repeat(quotas(counts, n), counts)])


def cut(
    y: Labels,
    own_test: Bools,
    *,
    test: float,
    dev: float,
    records: int | None,
    seed: int,
    public: int = 0,
) -> dict[str, Indices]:
    """Rows of each part: `pool`, `dev`, `test` and `public`.

    Shapes: y [N], own_test [N] (True in the test part that the data came with; if any, `test` is not used).
    `test` is a fraction of all records, `dev` a fraction of what remains. `records` is the size of the pool;
    dev shrinks with it, test does not. The public part is drawn from the rest; without `records` it is
    drawn first, and the pool is the rest.
    """
    rows = np.arange(len(y), dtype=np.int64)
    if own_test.any():
        test_rows = rows[own_test]
    else:
        test_rows = stratified(rows, y, round(test * len(rows)), stream(seed, "data", "test"))
    train = np.setdiff1d(rows, test_rows)
    n_dev = round(dev * len(train))
    if records is not None:
        if records > len(train) - n_dev:
            raise InputError(
                f"records must be at most {len(train) - n_dev}, what test and dev leave of {len(rows)}, "
                f"got {records}; leave it out to keep all"
            )
        n_dev = min(n_dev, round(records * dev / (1 - dev)))
    dev_rows = stratified(train, y, n_dev, stream(seed, "data", "dev"))
    left = np.setdiff1d(train, dev_rows)
    spare = len(left) - (records or 1)  # a pool of one record at least
    if public > max(spare, 0):
        raise InputError(
            f"public must be at most {max(spare, 0)}, what pool, test and dev leave of {len(rows)}, got {public}; "
            "make one of them smaller"
        )
    draw = stream(seed, "data", "public")
    if records is None:
        public_rows = stratified(left, y, public, draw)
        pool = np.setdiff1d(left, public_rows)
    else:
        pool = stratified(left, y, records, stream(seed, "data", "pool"))
        public_rows = stratified(np.setdiff1d(left, pool), y, public, draw)
    return {"pool": pool, "dev": dev_rows, "test": test_rows, "public": public_rows}


def require_classes(parts: dict[str, Indices], y: Labels, classes: tuple[str, ...], name: str) -> None:
    """Raises InputError if a class has no record in the pool, or in another part that is not empty."""
    for part, rows in parts.items():
        if part != "pool" and not len(rows):
            continue
        missing = np.flatnonzero(np.bincount(y[rows], minlength=len(classes)) == 0)
        if len(missing):
            raise InputError(
                f"every class of {name!r} must be in every part, got none of class {classes[missing[0]]!r} "
                f"among the {len(rows)} records of {part}; keep more records, change test or dev, or drop it"
            )
