"""To which step are released values rounded? Read off the values: 4 decimals, votes k/n, a type's smallest number.

A probability of 0 is no probability of 0: it lies below half a step. Read as 1e-30, it outweighs everything else in a
log-odds; read as half a step, it says what is known.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .statistics import LOG_FLOOR, Array

PARTS = np.concatenate([np.arange(1, 10_001), 10 ** np.arange(5, 10)]).astype(np.float64)  # n of steps 1/n
ZERO = float(np.exp(LOG_FLOOR))  # what a probability of 0 is replaced by where its logarithm is taken
SINGLE = float(np.finfo(np.float32).eps)  # the precision of many values that lie in a wider type
SLACK = 32  # units in the last place by which a value may miss its multiple: it went through a logarithm
CHANCE = 1e-15  # below which values that are not rounded would all lie near multiples
LARGEST = 2.0**53  # beyond it every value is a whole number, and its multiples may overflow
TRIED = 16  # values on which steps are tried before all values are held to them
VALUES = 2**15  # about as many are looked at in one model
UNNORMALISED = (
    0.2  # by which the mean sum of a row may miss 1 where the logits are logarithms of rounded values
)


class Resolution(NamedTuple):
    """To which `step` values are rounded, and the share of the rows in which one is below half of it, a zero.

    The step is 0 where nothing is rounded and no value is 0. Of two resolutions the coarser is the greater.
    Multiples of the step that sum to 1 in every row are `votes`, as of a forest's trees; rounded values miss 1 in some.
    Models that are rounded in a `coarser` way than the others have their zeros read as half a step of their own.
    """

    step: float = 0.0
    zeros: float = 0.0
    logarithms: bool = False  # whether it is losses that are the logarithms of rounded probabilities
    votes: bool = False  # whether rows are shares of votes, each worth a step
    coarser: tuple[int, ...] = ()  # models with a step of their own

    def bounds(self, kind: str) -> tuple[float, float]:
        """The smallest and the largest value of `kind`, "logits" or "losses", where a zero stands for half a step."""
        half = self.step / 2
        if kind == "logits":
            return float(np.log(half)), np.inf
        return half, float(-np.log(half)) if self.logarithms else np.inf


def _grid_of(rows: Array, eps: float) -> tuple[float, Array]:
    """The step of values [n, C] on a grid, or 0, and the distinct ones that stand for no zero, ascending.

    The step is the coarsest 1/n of which all values are multiples within the precision `eps` of their type, or that of
    floats in it, if chance does not explain it. A smallest value that occurs again, as after clipping at 1e-12, may
    stand for 0.
    """
    distinct, counts = np.unique(rows, return_counts=True)
    above = distinct[1:] if counts[0] > 1 or distinct[0] <= 2 * ZERO else distinct
    return _grid(above, {eps, SINGLE}), above


def _found(rows: Array, step: float) -> Resolution:
    return Resolution(step, float((rows < step / 2).any(axis=-1).mean()))


def _grid(values: Array, precisions: set[float]) -> float:
    """The coarsest step 1/n of which all `values` [k] are multiples in one of the `precisions`, or 0."""
    if values.size and values[-1] > LARGEST:
        return 0.0
    tried = values[np.linspace(0, values.size - 1, min(values.size, TRIED)).astype(int)]
    for eps in sorted(precisions):
        for n in PARTS[_near_multiples(tried[:, None] * PARTS, eps).all(axis=0)]:
            multiples = values * n
            by_chance = np.log(np.minimum(1.0, 2 * SLACK * eps * multiples)).sum()
            if by_chance >= np.log(CHANCE):  # and the more so for smaller steps
                break
            if _near_multiples(multiples, eps).all():
                return float(1.0 / n)
    return 0.0


def _near_multiples(x: Array, eps: float) -> NDArray[np.bool_]:
    whole = np.round(x)
    return (whole >= 1) & (np.abs(x - whole) <= SLACK * eps * x)


def of_logits(z: NDArray[np.floating[Any]]) -> Resolution:
    """The resolution of the probabilities whose logarithms z [V, N, C] are; none where z are other logits."""
    rows = _some(z, z.shape[-1])
    if rows.max() > SINGLE:
        return Resolution()
    p = np.exp(rows)
    if abs(p.sum(axis=-1).mean() - 1.0) > UNNORMALISED:
        return Resolution()
    return _of_rows(p, float(np.finfo(z.dtype).eps))


def of_probabilities(p: NDArray[np.floating[Any]]) -> Resolution:
    """The resolution of probabilities [V, N, C]."""
    return _of_rows(_some(p, p.shape[-1]), float(np.finfo(p.dtype).eps))


def _of_rows(p: Array, eps: float) -> Resolution:
    """Values on no grid that hold zeros resolve down to the smallest that is none.

    So do votes of trees with unequal leaves, and numbers below the smallest of their type.
    """
    step, _ = _grid_of(p, eps)
    zero = (p <= 0) | np.isclose(p, ZERO, rtol=1e-4, atol=0)
    if not step and zero.any():
        columns = range(2) if p.shape[1] == 2 else [slice(None)]  # 1 - f is coarser than f where f is near 1
        held = [p[:, c][~zero[:, c]] for c in columns if zero[:, c].any()]
        step = max((float(values.min()) for values in held if values.size), default=0.0)
    if step <= 2 * ZERO:
        return _found(p, 0.0)
    votes = np.where(p < 0.75 * step, 0.0, p) / step  # a zero may already be given as half a step
    whole = np.abs(votes - np.round(votes)).max() < 0.01 and np.abs(votes.sum(axis=-1) - 1 / step).max() < 0.5
    return _found(p, step)._replace(votes=bool(whole))


def of_losses(losses: NDArray[np.floating[Any]]) -> Resolution:
    """The resolution of losses [V, N]: a loss of 0 lies below half a step, or below what its precision tells from 0."""
    rows, eps = _some(losses, 1), float(np.finfo(losses.dtype).eps)
    step, above = _grid_of(rows, eps)
    if step:
        return _found(rows, step)
    if step := _grid_of(np.exp(-rows), eps)[0]:
        return _found(np.minimum(np.exp(-rows), rows), step)._replace(logarithms=True)
    with np.errstate(over="ignore"):  # what single precision cannot hold did not come from it
        narrow = above.astype(np.float32)
    single = losses.dtype.itemsize > 4 and np.allclose(above, narrow, rtol=1e-9, atol=0)
    return _found(rows, SINGLE if single and above.size and rows.min() <= 0 else 0.0)


def typical(found: Sequence[Resolution]) -> Resolution:
    """That of the median model: a model that releases nothing but labels is no measure for the others."""
    return sorted(found)[len(found) // 2]


def _some(values: NDArray[np.floating[Any]], width: int) -> Array:
    """Rows [n, width] spread over all of them, of VALUES values or few more, in float64."""
    rows = values.reshape(-1, width)
    return rows[:: max(1, rows.size // VALUES)].astype(np.float64)
