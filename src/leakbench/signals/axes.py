"""From the axes that users save to those of `Signals`, [M, V, N(, C)]. Errors name the axis and a remedy."""

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

WORDS = {
    "M": "models",
    "S": "shadow models",
    "V": "views",
    "N": "records",
    "Z": "population records",
    "C": "classes",
}

ADVICE = {
    "M": "give one row of members a model",
    "S": "give one row of shadow_members a model",
    "V": "query all models in the same views",
    "N": "all arrays must describe the same records in the same order",
    "Z": "all arrays must describe the same population in the same order",
    "C": "all models must have the same classes",
}

Numbers = NDArray[np.floating[Any]]


def to_axes(name: str, array: NDArray[Any], layout: str, sizes: dict[str, int]) -> NDArray[Any]:
    """`array` as [M, V, N, C], or as [M, V, N] where `layout` has no C.

    `layout` spells the axes that must be there without the views, such as "NC" or "SNC"; one axis more is
    taken as views, before the records. `sizes` holds the lengths that are already known. Raises InputError.
    """
    with_views = layout.replace("N", "VN").replace("Z", "VZ")
    by_length = {len(layout): layout, len(with_views): with_views}
    letters = by_length.get(array.ndim)
    if letters is None:
        several = array.ndim == len(layout) + 2 and layout[0] == "N"
        raise InputError(
            f"{name} must be {spell(layout)} or {spell(with_views)}, got shape {array.shape}"
            + ("; for several target models give members as [M models, N records]" if several else "")
            + (f"; {_two_classes(name, 'stack')}" if _lacks_classes(layout, array.shape, sizes) else "")
        )
    wrong = _mismatch(letters, array.shape, sizes)
    if wrong is not None:
        axis = letters.index(wrong)
        raise InputError(
            f"{name} must be {spell(letters)} with {wrong} = {sizes[wrong]}, got {array.shape}: "
            f"axis {axis} is {array.shape[axis]}; {_remedy(name, letters, array.shape, sizes)}"
        )
    if sizes.get("V", 1) != 1 and "V" not in letters:
        raise InputError(
            f"{name} must be {spell(with_views)} with V = {sizes['V']}, got {array.shape}; {ADVICE['V']}"
        )
    if 0 in array.shape:
        raise InputError(f"{name} must not be empty, got {spell(letters)} = {array.shape}")
    if letters[-1] == "C" and array.shape[-1] < 2:
        raise InputError(
            f"{name} must have at least 2 classes on the last axis, got {array.shape}; "
            f"{_two_classes(name, 'concatenate')}"
        )
    lead = array if letters[0] in "MS" else array[None]
    return lead if "V" in letters else lead[:, None]


def spell(letters: str) -> str:
    """The axes in words.

    >>> spell("NC")
    '[N records, C classes]'
    """
    return "[" + ", ".join(f"{letter} {WORDS[letter]}" for letter in letters) + "]"


def _lacks_classes(layout: str, shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    fits = layout[-1] == "C" and len(shape) == len(layout) - 1
    return fits and _mismatch(layout[:-1], shape, sizes) is None


def _two_classes(name: str, join: str) -> str:
    """How one sigmoid output becomes two classes: as probabilities 1 - p and p, or as logits 0 and z."""
    other = f"1 - {name}" if name.endswith("probs") else f"0 * {name}"
    return f"for one sigmoid output save np.{join}([{other}, {name}], axis=-1)"


def _mismatch(letters: str, shape: tuple[int, ...], sizes: dict[str, int]) -> str | None:
    return next((a for a, n in zip(letters, shape, strict=True) if sizes.get(a, n) != n), None)


def _remedy(name: str, letters: str, shape: tuple[int, ...], sizes: dict[str, int]) -> str:
    """The transposition that repairs the shape, if there is one."""
    for order in permutations(range(len(shape))):
        if _mismatch(letters, tuple(shape[i] for i in order), sizes) is None:
            return f"transpose it: {name}.T" if len(shape) == 2 else f"transpose it: {name}.transpose{order}"
    return ADVICE[_mismatch(letters, shape, sizes) or "N"]
