"""The names of the views in an audit file. Label-only attacks use the predicted classes of perturbed views."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...signals.axes import Numbers
from ...signals.types import ByModel, PerModel, in_blocks, on_records
from ...signals.views import is_perturbation, parse_perturbations

LONGEST = 100  # characters of a name
Places = NDArray[np.intp]


def view_names(array: NDArray[Any] | None, n_views: int) -> tuple[str, ...]:
    """The checked names [V] of the views; none if they are not given.

    Raises InputError unless there is one text per view, perturbations have a size and no number of draws, and one view
    is not perturbed.
    """
    if array is None:
        return ()
    if array.shape != (n_views,) or array.dtype.kind != "U":
        raise InputError(
            f"views must be one name a view, text [{n_views}], got {array.dtype} of shape {array.shape}"
        )
    names = tuple(map(str, array))
    for name in names:
        if not name or len(name) > LONGEST or not name.isprintable():
            raise InputError(
                f"views must be names of 1 to {LONGEST} printable characters, got {name[:LONGEST]!r}"
            )
        if is_perturbation(name) and parse_perturbations([name])[0].name != name:
            raise InputError(
                f"views must name each draw by its size alone, {parse_perturbations([name])[0].name!r}, got {name!r}"
            )
    if all(map(is_perturbation, names)):
        raise InputError(
            f"views must hold one that is not perturbed, 'identity', got {', '.join(sorted(set(names)))[:LONGEST]}"
        )
    return names


def without_perturbed(array: ByModel, names: tuple[str, ...]) -> ByModel:
    """The views [M, V, ...] that are not perturbed."""
    kept = np.flatnonzero([not is_perturbation(name) for name in names])
    if kept.size == len(names):
        return array
    if not isinstance(array, PerModel):
        return np.asarray(array[:, kept])
    shape = (array.shape[0], kept.size, *array.shape[2:])
    return PerModel(shape, lambda m: array[m][kept], array.dtype, lambda m, r: on_records(array, m, r)[kept])


def predicted_when_perturbed(logits: ByModel, names: tuple[str, ...]) -> ByModel | None:
    """The class predicted in each perturbed view [M, K, N]; None if there is none."""
    perturbed = np.flatnonzero([is_perturbation(name) for name in names])
    if not perturbed.size:
        return None
    shape = (logits.shape[0], perturbed.size, logits.shape[2])

    def load(m: int) -> Numbers:
        found = np.empty(shape[1:], dtype=np.intp)
        for records, z in in_blocks(logits, m):
            found[:, records] = z[perturbed].argmax(axis=-1)
        return found

    return PerModel(shape, load, np.dtype(np.intp))


def in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names with those of perturbed views last, as `Signals` has them."""
    return tuple(sorted(names, key=is_perturbation))
