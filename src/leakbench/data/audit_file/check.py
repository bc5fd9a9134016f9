"""Checks of values. An error is one line: what is wrong, how many values, where, and what to do."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...core.errors import InputError
from ...signals.axes import Numbers, spell
from ...signals.resolution import of_probabilities
from ...signals.statistics import LOG_FLOOR
from ...signals.types import Bools, ByModel, Labels, PerModel, in_blocks, on_records
from .mapped import by_model

SUM_TOLERANCE = 1e-3  # how far a row of probabilities may be from summing to one
ROUND_OFF = 1e-5  # of a sum of probabilities in single precision
BELOW_ZERO = 1e-3  # how far below 0 round-off may take a loss or a probability
BFLOAT16 = 2.0**-8  # the same in bfloat16, with the relative precision of each value
ROUNDED_ROWS = 0.1  # how far from one a row of coarsely rounded probabilities may sum
LOOKED_AT = 2**17  # logits of each model that show whether they are probabilities
FEWEST = 10  # rows that show it
ROUNDED_VOTES = (
    0.005  # the same, relative, where the sum is neither 1 nor 100, as of untrained models' logits
)
LARGEST = 1e100  # of a logit, loss or score: squares and sums of such numbers do not overflow
MOST_LABEL = 2**53  # the whole numbers up to here are exact in double precision
AXES = ("model", "view", "record", "class")
DIVERGED = "the training of this model diverged; train it again"
AGAIN = "compute them again in single or double precision, in which nothing overflows"


def text(name: str, array: NDArray[Any]) -> None:
    """Raise InputError for a name that cannot be printed, or text that UTF-8 cannot encode."""
    if not name.isprintable():
        raise InputError(f"the name of a group must be printable text, got {name[:100]!r}")
    if array.dtype.kind == "U" and array.size:
        text = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        points = text.reshape(-1).view(np.uint32).reshape(array.size, -1)
        bad = ((points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))).any(axis=1)
        if bad.any():
            raise InputError(
                f"{name} must be valid Unicode text, got a code point that is none in value {bad.argmax()}"
            )


def numbers(name: str, array: NDArray[Any]) -> ByModel:
    """The array in a floating type of at most 64 bits; integers become float64. Raises InputError for anything else."""
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must hold real numbers, got dtype {array.dtype}")
    keeps = array.dtype.kind == "f" and array.dtype.itemsize <= 8
    return by_model(array, array.dtype.newbyteorder("=") if keeps else np.float64)


def logits(name: str, array: ByModel) -> ByModel:
    """Logits [M, V, N, C] in which minus infinity, a probability of 0, has become one of 1e-30.

    Raises InputError for NaN, plus infinity, or a record without a finite logit.
    """
    zeros = False

    def bad(part: Numbers) -> Bools:
        nonlocal zeros
        odd = ~np.isfinite(part)
        if odd.any():
            allowed = np.isneginf(part) & np.isfinite(part).any(axis=-1, keepdims=True)
            zeros |= bool(allowed.any())
            odd &= ~allowed
        return odd

    _refuse_not_finite(name, array, AGAIN, bad)
    _refuse_huge(name, array, DIVERGED)
    looked_at = slice(max(FEWEST, LOOKED_AT // (array.shape[1] * array.shape[-1])))
    for m in range(len(array)):
        part = np.asarray(on_records(array, m, looked_at), dtype=np.float64)
        _refuse_probabilities(name, part, f" of model {m}" if len(array) > 1 else "")
    return _changed(array, _without_zeros, array.dtype) if zeros else array


def _refuse_probabilities(name: str, z: Numbers, model: str) -> None:
    """Raise InputError where all z [V, N, C] are probabilities, or logarithms of them to another base."""
    total = z.sum(axis=-1)
    if total.size < FEWEST or (z == z[:, :1]).all():  # few or equal rows may sum to anything
        return
    whole = float(np.median(total))
    usual = any(abs(whole / one - 1) <= ROUNDED_ROWS / 2 for one in (1, 100))  # or votes of so many trees
    apart = (ROUNDED_ROWS / 2 if usual else ROUNDED_VOTES) * whole
    if z.min() >= 0 and whole > 0 and np.abs(total - whole).max() <= apart:
        scaled = name if abs(whole - 1) <= ROUNDED_ROWS / 2 else f"{name} / {whole:.6g}"
        raise InputError(
            f"{name} must be outputs before the softmax, got probabilities{model}: none is negative, and each row sums "
            f"to {whole:.6g}; save {scaled} as {name.replace('logits', 'probs')}"
        )
    for form, factor in (("-log p", -1.0), ("log2 p", np.log(2)), ("log10 p", np.log(10))):
        p = np.exp(np.minimum(factor * z, 1.0))
        certain = p.max(axis=-1).min() > 1 - ROUNDED_ROWS  # such rows sum to 1 in any form
        if not certain and np.abs(p.sum(axis=-1) - 1).max() <= SUM_TOLERANCE:
            raise InputError(
                f"{name} must be outputs before the softmax, or log p, got {form}{model}; save {name} * {factor:.16g}"
            )


def _refuse_not_finite(
    name: str, array: ByModel, remedy: str, bad: Callable[[Numbers], Bools] = lambda part: ~np.isfinite(part)
) -> None:
    """Raise InputError if [M, V, N(, C)] holds NaN or infinity, with the count and the first place."""
    count, first, unknown = 0, "", False
    for m, records, part in _blocks(array):
        wrong = bad(part)
        if wrong.any():
            v, n, *c = (int(i) for i in np.argwhere(wrong)[0])
            first = first or place((m, v, records.start + n, *c), array.shape)
            count += int(wrong.sum())
            unknown |= bool(np.isnan(part[wrong]).any())
    if count:
        raise InputError(
            f"{name} must be finite, got {count} NaN or infinite of {math.prod(array.shape)} values, "
            f"the first at {first}; {AGAIN if unknown else remedy}"
        )


def _refuse_huge(name: str, array: ByModel, remedy: str) -> None:
    """Raise InputError for the first finite value beyond LARGEST, which half and single precision do not hold."""
    if array.dtype.itemsize <= 4:
        return
    for m, records, part in _blocks(array):
        huge = np.isfinite(part) & (np.abs(part) > LARGEST)
        if huge.any():
            v, n, *c = (int(i) for i in np.argwhere(huge)[0])
            where = place((m, v, records.start + n, *c), array.shape)
            raise InputError(
                f"{name} must lie within -{LARGEST:g}..{LARGEST:g}, got {part[huge][0]:g} at {where}; {remedy}"
            )


def _blocks(array: ByModel) -> Iterator[tuple[int, slice, Numbers]]:
    """The array in blocks of records, because a mask of all could take gigabytes: model, records, [V, n(, C)]."""
    return ((m, records, part) for m in range(len(array)) for records, part in in_blocks(array, m))


def _changed(array: ByModel, change: Callable[[Numbers], Numbers], kind: DTypeLike) -> ByModel:
    """The array with every record changed. Arrays that are read one model at a time are changed on reading."""
    if isinstance(array, PerModel):
        return PerModel(
            array.shape,
            lambda m: change(array[m]),
            np.dtype(kind),
            lambda m, records: change(on_records(array, m, records)),
        )
    out = np.empty(array.shape, kind)
    for m, records, part in _blocks(array):
        out[m][:, records] = change(part)
    return out


def _without_zeros(z: Numbers) -> Numbers:
    """Minus infinity in logits [V, N, C] becomes log sum_c exp z_c + `LOG_FLOOR`; in log-probabilities `LOG_FLOOR`."""
    zero = np.isneginf(z)
    if not zero.any():
        return z
    wide = z.astype(np.float64)
    top = wide.max(axis=-1, keepdims=True)
    total = top + np.log(np.exp(wide - top).sum(axis=-1, keepdims=True))
    total[np.abs(total) <= SUM_TOLERANCE] = 0.0
    lowest = np.finfo(z.dtype).min
    return np.asarray(np.where(zero, np.maximum(total + np.log(np.exp(LOG_FLOOR)), lowest), z), dtype=z.dtype)


def place(index: tuple[Any, ...], shape: tuple[int, ...]) -> str:
    """The place `index` [m, v, n(, c)] in words, without axes of length one except the record.

    >>> place((0, 0, 17, 2), (1, 1, 100, 10))
    'record 17, class 2'
    """
    named = zip(AXES, index, shape, strict=False)
    return ", ".join(f"{axis} {i}" for axis, i, n in named if n > 1 or axis == "record")


def log_probabilities(name: str, probs: ByModel) -> ByModel:
    """Logits from probabilities [M, V, N, C]: their logarithm, floored at log 1e-30.

    Raises InputError for a probability that is negative, NaN or infinite, or a row that does not sum to one within
    `SUM_TOLERANCE`, or within half a rounding step per class.
    """
    _refuse_not_finite(name, probs, AGAIN)
    _refuse_negative(
        name, probs, "probabilities", "save outputs before the softmax, or log-probabilities, as logits"
    )
    _refuse_sums(name, probs)
    kind = np.promote_types(probs.dtype, np.float32)  # 1e-30 would vanish in float16

    def logs(part: Numbers) -> Numbers:
        return np.asarray(np.log(np.maximum(part, np.exp(LOG_FLOOR))), dtype=kind)

    return _changed(probs, logs, kind)


def _refuse_sums(name: str, probs: ByModel) -> None:
    """Raise InputError unless the probabilities of every record sum to one."""
    least, most, worst, where, tolerance = np.inf, -np.inf, 1.0, "", SUM_TOLERANCE
    has_zero = False
    for m, records, part in _blocks(probs):
        total = part.sum(axis=-1, dtype=np.float64)
        v, n = np.unravel_index(int(np.abs(total - 1.0).argmax()), total.shape)
        if abs(total[v, n] - 1.0) > tolerance:
            half_steps = of_probabilities(part).step * part.shape[-1] / 2 + ROUND_OFF
            tolerance = max(tolerance, half_steps, BFLOAT16 if _is_bfloat16(part) else 0.0)
        if abs(total[v, n] - 1.0) > abs(worst - 1.0):
            worst, where = float(total[v, n]), place((m, v, records.start + n), probs.shape[:3])
            has_zero = bool((part[v, n] == 0).any())
        least, most = min(least, float(total.min())), max(most, float(total.max()))
    if abs(worst - 1.0) <= tolerance:
        return
    remedy = "save the outputs before the softmax as logits, or what the softmax makes of them as probs"
    if max(abs(least / 100 - 1), abs(most / 100 - 1)) <= ROUNDED_ROWS:
        remedy = f"they are percentages, so save {name} / 100"
    elif most - least <= SUM_TOLERANCE * most:
        remedy = f"every row sums to as much, so save {name} / {worst:.6g}"
    elif has_zero and most <= 1.0 + SUM_TOLERANCE:
        remedy = (
            "where only the largest were released, share the rest of each row among its zeros: "
            f"{name} + ({name} == 0) * (1 - {name}.sum(-1, keepdims=True)) / "
            f"np.maximum(({name} == 0).sum(-1, keepdims=True), 1)"
        )
    elif abs(worst - 1.0) <= ROUNDED_ROWS:
        remedy = f"where they were rounded, divide each row by its sum: {name} / {name}.sum(axis=-1, keepdims=True)"
    raise InputError(
        f"{name} must sum to 1 over the classes (within {tolerance:.3g}), got {worst:.6g} at {where}, "
        f"the worst row; {remedy}"
    )


def _is_bfloat16(part: Numbers) -> bool:
    """Whether all values lie in the type bfloat16, which is the upper half of single precision."""
    return part.dtype == np.float32 and not (np.ascontiguousarray(part).view(np.uint32) & 0xFFFF).any()


def losses(name: str, array: ByModel) -> ByModel:
    """The losses. Raises InputError for one that is negative, NaN or infinite: -log p is none of them."""
    _refuse_negative(
        name, array, "-log p", "save what is no cross-entropy as scores, with higher = more likely a member"
    )
    zero = (
        f"an infinite loss is a probability that was rounded to 0: save np.minimum({name}, {-LOG_FLOOR:.2f})"
    )
    _refuse_not_finite(name, array, zero)
    _refuse_huge(name, array, DIVERGED)
    return array


def scores(name: str, array: ByModel) -> ByModel:
    """The scores. Raises InputError for one that is NaN or infinite."""
    _refuse_not_finite(name, array, f"save np.clip({name}, -1e30, 1e30), which keeps their order")
    _refuse_huge(
        name, array, "divide all of them, of all models, by the same number, which keeps their order"
    )
    return array


def norms(name: str, array: ByModel) -> ByModel:
    """The norms. Raises InputError for one that is negative, NaN or infinite."""
    _refuse_negative(name, array, "norms", "save the norms themselves, not their logarithms or negatives")
    _refuse_not_finite(name, array, AGAIN)
    return array


CHECKS = {"logits": logits, "probs": log_probabilities, "losses": losses, "scores": scores}


def _refuse_negative(name: str, array: ByModel, what: str, otherwise: str) -> None:
    """Raise InputError where a value is below 0."""
    least, most, where = 0.0, -np.inf, ""
    for m, records, part in _blocks(array):
        low = float(part.min())
        if low < least:
            v, n, *c = np.unravel_index(int(part.argmin()), part.shape)
            least, where = low, place((m, v, records.start + n, *c), array.shape)
        most = max(most, float(part.max()))
    if least == 0.0:
        return
    remedy = otherwise
    if least > -BELOW_ZERO:
        remedy = f"repair round-off by np.maximum({name}, 0)"
    elif most <= 0.0 and what == "-log p":
        remedy = f"all of them are negative, as log p is: save -{name}"
    raise InputError(f"{name} must be {what} >= 0, got {least:.6g} at {where}; {remedy}")


def members(name: str, array: NDArray[Any], letters: str) -> Bools:
    """Membership as bool with the axes `letters`. Raises InputError if it is not true/false or 0/1."""
    if array.ndim != len(letters) or array.size == 0:
        raise InputError(f"{name} must be {spell(letters)}, not empty, got shape {array.shape}")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iuf":
        of_texts = f"; save {name} == {str(array.flat[0])[:100]!r}, or the value that members have"
        remedy = of_texts if array.dtype.kind in "US" else ""
        raise InputError(f"{name} must be true/false or 0/1, got dtype {array.dtype}{remedy}")
    bad = (array != 0) & (array != 1)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name} must be true/false or 0/1, got {array[first]} at record {first[-1]}"
            + (f" of model {first[0]}" if len(first) == 2 else "")
            + _to_members(name, array)
        )
    return array.astype(np.bool_)


def _to_members(name: str, array: NDArray[Any]) -> str:
    """The remedy for membership given as two other numbers, with gaps, or as the numbers of the member records."""
    distinct = np.unique(array)
    if np.isnan(distinct).any():
        return "; leave the records that are neither out of every array"
    if distinct.tolist() == [-1, 1]:
        return f"; save {name} > 0"
    if distinct.size == 2:
        return f"; save {name} == {distinct[1]:g}, or the value that members have"
    return f"; from record numbers save np.isin(np.arange(N), {name})" if distinct.size == array.size else ""


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
    """Labels [n], or one column of them [n, 1], as int64 [n]. Raises InputError if they are no integers in 0..C-1."""
    if array.shape == (n, 1):
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(
            f"{name} must be one integer a record, [{n}], got shape {array.shape}{_to_labels(name, array, n)}"
        )
    if len(array) != n:
        raise InputError(f"{name} must be one integer a record, [{n}], got {len(array)} of them")
    _integral(name, array)
    top = MOST_LABEL if n_classes is None else n_classes - 1
    outside = (array < 0) | (array.astype(np.float64) > top)  # half precision does not hold the top
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        bounds = "0 or more" if n_classes is None else f"in 0..{top}"
        off_by_one = n_classes is not None and array.min() == 1 and array.max() == n_classes
        raise InputError(
            f"{name} must lie {bounds}, got {array[first]} at record {first} ({int(outside.sum())} such)"
            + (f"; they start at 1: save {name} - 1" if off_by_one else "")
        )
    return array.astype(np.int64)


def _to_labels(name: str, array: NDArray[Any], n: int) -> str:
    """The remedy for labels of another shape, if it is evident."""
    if array.size == n:
        return f"; flatten it: {name}.ravel()"
    if array.ndim == 2 and len(array) == n and array.dtype.kind in "biuf":
        rows = array.astype(np.float64)
        if (rows >= 0).all() and (np.abs(rows.sum(axis=1) - 1.0) <= SUM_TOLERANCE).all():
            return f"; from one-hot rows take {name}.argmax(axis=1)"
    return ""


def _integral(name: str, array: NDArray[Any]) -> None:
    """Raise InputError for the first label that is no whole number."""
    if array.dtype.kind in "biu":
        return
    if array.dtype.kind != "f":
        raise InputError(f"{name} must be integers 0..C-1, got dtype {array.dtype}")
    whole = array == np.round(array)
    if not whole.all():
        first = int(np.argmin(whole))
        raise InputError(
            f"{name} must be integers 0..C-1, got {array[first].item()!r} at record {first}; number the classes in the "
            "order of the columns of the outputs"
        )
