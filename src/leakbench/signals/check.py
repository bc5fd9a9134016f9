"""Whether values are what they must be. A failure is one clear line: what, how many, where, what to do."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..types import Bools, ByModel, Labels, PerModel
from .axes import Numbers, spell
from .mapped import by_model
from .resolution import of_probabilities
from .statistics import LOG_FLOOR

SUM_TOLERANCE = 1e-3  # how far a row of probabilities may be from summing to one
ROUND_OFF = 1e-5  # of a sum of probabilities in single precision
AXES = ("model", "view", "record", "class")


def numbers(name: str, array: NDArray[Any]) -> ByModel:
    """The array in a floating type; integers become float64. Raises InputError if it holds anything else."""
    if array.dtype.kind in "fiu":
        return by_model(array, array.dtype if array.dtype.kind == "f" else np.float64)
    raise InputError(f"{name} must hold real numbers, got dtype {array.dtype}")


def finite(name: str, array: ByModel) -> None:
    """Raise InputError if [M, V, N(, C)] holds NaN or infinity, with the count and the first place."""
    count, first = 0, ""
    for m, part in enumerate(array):  # a model at a time: the mask of everything could be gigabytes
        bad = ~np.isfinite(part)
        if bad.any():
            first = first or place((m, *np.argwhere(bad)[0]), array.shape)
            count += int(bad.sum())
    if count:
        raise InputError(
            f"{name} must be finite, got {count} NaN or infinite of {math.prod(array.shape)} values, "
            f"the first at {first}; repair or leave out those records"
        )


def place(index: tuple[Any, ...], shape: tuple[int, ...]) -> str:
    """Where `index` [m, v, n(, c)] is, in words; axes of length one that are no record are left out.

    >>> place((0, 0, 17, 2), (1, 1, 100, 10))
    'record 17, class 2'
    """
    named = zip(AXES, index, shape, strict=False)
    return ", ".join(f"{axis} {i}" for axis, i, n in named if n > 1 or axis == "record")


def log_probabilities(name: str, probs: ByModel) -> ByModel:
    """Logits from probabilities [M, V, N, C]: their logarithm, floored at log 1e-30.

    Raises InputError for a negative probability or a row that does not sum to one within `SUM_TOLERANCE`, or within
    half a step a class where probabilities are rounded.
    """
    tolerance = SUM_TOLERANCE
    for m, part in enumerate(probs):
        if part.min() < 0:
            where = np.unravel_index(int(part.argmin()), part.shape)
            raise InputError(
                f"{name} must not be negative, got {part[where]:.6g} at {place((m, *where), probs.shape)}; "
                "save raw outputs as logits"
            )
        error = np.abs(part.sum(axis=-1, dtype=np.float64) - 1.0)
        if error.max() > tolerance:
            tolerance = max(tolerance, of_probabilities(part).step * part.shape[-1] / 2 + ROUND_OFF)
        if error.max() > tolerance:
            where = np.unravel_index(int(error.argmax()), error.shape)
            total = part[where].sum(dtype=np.float64)
            raise InputError(
                f"{name} must sum to 1 over the classes (within {tolerance:.3g}), got {total:.6g} "
                f"at {place((m, *where), probs.shape[:3])}, the worst row; save raw outputs as logits"
            )
    kind = np.promote_types(probs.dtype, np.float32)  # 1e-30 would vanish in float16

    def logs(part: Numbers) -> Numbers:
        return np.asarray(np.log(np.maximum(part, np.exp(LOG_FLOOR))), dtype=kind)

    if isinstance(probs, PerModel):
        return PerModel(probs.shape, lambda m: logs(probs[m]), kind)
    out = np.empty(probs.shape, kind)
    for m, part in enumerate(probs):
        out[m] = logs(part)
    return out


def losses(name: str, array: ByModel) -> None:
    """Raise InputError for a negative loss, naming the most negative: -log p is none."""
    least = [float(part.min()) for part in array]
    if min(least) < 0:
        m = int(np.argmin(least))
        where = np.unravel_index(int(array[m].argmin()), array.shape[1:])
        raise InputError(
            f"{name} must be -log p >= 0, got {least[m]:.6g} at {place((m, *where), array.shape)}; "
            f"repair round-off by np.maximum({name}, 0), save a score (higher = member) as scores"
        )


def members(name: str, array: NDArray[Any], letters: str) -> Bools:
    """Membership as bool with the axes `letters`. Raises InputError if it is not true/false or 0/1."""
    if array.ndim != len(letters) or array.size == 0:
        raise InputError(f"{name} must be {spell(letters)}, not empty, got shape {array.shape}")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name} must be true/false or 0/1, got dtype {array.dtype}")
    bad = (array != 0) & (array != 1)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name} must be true/false or 0/1, got {array[first]} at record {first[-1]}"
            + (f" of model {first[0]}" if len(first) == 2 else "")
        )
    return array.astype(np.bool_)


def both_sides(name: str, array: Bools) -> None:
    """Raise InputError unless every target [M, N] has members and non-members."""
    for m, row in enumerate(array):
        if row.all() or not row.any():
            which = "" if len(array) == 1 else f" for model {m}"
            what, lacking = ("all", "did not train") if row.all() else ("none", "trained")
            raise InputError(
                f"{name} must mark some records as members and some as non-members, got {what} of {row.size} "
                f"marked{which}; add records that the model {lacking} on"
            )


def labels(name: str, array: NDArray[Any], n: int, n_classes: int | None) -> Labels:
    """Labels [n] as int64. Raises InputError if they are no integers in 0..C-1."""
    if array.ndim != 1:
        hint = f"; from one-hot rows take {name}.argmax(axis=1)" if array.ndim == 2 else ""
        raise InputError(f"{name} must be one integer a record, [{n}], got shape {array.shape}{hint}")
    if len(array) != n:
        raise InputError(f"{name} must be one integer a record, [{n}], got {len(array)} of them")
    _integral(name, array)
    top = np.iinfo(np.int64).max if n_classes is None else n_classes - 1
    outside = (array < 0) | (array > top)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        bounds = "0 or more" if n_classes is None else f"in 0..{top}"
        off_by_one = n_classes is not None and array.min() == 1 and array.max() == n_classes
        raise InputError(
            f"{name} must lie {bounds}, got {array[first]} at record {first} ({int(outside.sum())} such)"
            + (f"; they start at 1: save {name} - 1" if off_by_one else "")
        )
    return array.astype(np.int64)


def _integral(name: str, array: NDArray[Any]) -> None:
    whole = array == np.round(array) if array.dtype.kind in "iuf" else np.zeros(len(array), dtype=bool)
    if not whole.all():
        first = int(np.argmin(whole))
        raise InputError(
            f"{name} must be integers 0..C-1, got {array[first].item()!r} at record {first}; "
            "number the classes, their names go into class_names"
        )
