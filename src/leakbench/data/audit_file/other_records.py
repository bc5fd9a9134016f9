"""Shadow models that were queried with other records than the target, as in Shokri et al. 2017, ML-Doctor and ART."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ...core.errors import InputError
from ...signals.models import Models
from ...signals.resolution import Resolution
from ...signals.types import ByModel

Arrays = Mapping[str, NDArray[Any]]
PREFIX = "shadow_"


def has_other_records(arrays: Arrays) -> bool:
    """Whether the shadow models have records of their own: labels of their own, or another number of records."""
    members, shadows = arrays.get("members"), arrays.get("shadow_members")
    if members is None or shadows is None or members.ndim not in (1, 2) or shadows.ndim != 2:
        return False
    return "shadow_labels" in arrays or members.shape[-1] not in shadows.shape


def without_unlabelled_shadows(arrays: Arrays) -> tuple[Arrays, list[str]]:
    """The arrays without shadow models that attacks with labels cannot learn from, and a note where that is so."""
    needed = "labels" in arrays and any(PREFIX + kind in arrays for kind in ("logits", "probs"))
    if not needed or "shadow_labels" in arrays or not has_other_records(arrays):
        return arrays, []
    left = {name: array for name, array in arrays.items() if not name.startswith(PREFIX)}
    return left, [
        "not used: the shadow models, whose records are others than the target's and have no labels; "
        "give shadow_labels [S shadow models, N records]"
    ]


def of_shadows(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays of the shadow models under the names of target models, in axes of the audit file.

    Models with labels of their own for each [S, N] become one model of S N records: attacks learn from outputs, labels
    and membership alone. Raises InputError where the axes do not fit.
    """
    own = {
        name.removeprefix(PREFIX): array
        for name, array in arrays.items()
        if name.startswith(PREFIX) and "population" not in name
    }
    labels, members = own.get("labels"), own["members"]
    if labels is None or labels.ndim != 2 or labels.shape[1] == 1:
        return own
    for name, array in own.items():
        if array.shape[:2] != members.shape:
            raise InputError(
                f"{PREFIX}{name} must begin with the axes [S shadow models, N records] = {members.shape} of "
                f"shadow_members, got {array.shape}"
            )
    return {name: array.reshape(-1, *array.shape[2:]) for name, array in own.items()}


def alike(models: Models, shadows: Models) -> tuple[Models, Models]:
    """The targets and the shadow models, with rounded values of both read by the coarser step.

    Raises InputError unless their outputs are of the same kinds, with as many views and classes.
    """
    for kind in ("logits", "losses", "scores"):
        own, other = (_lengths(getattr(each.signals, kind)) for each in (models, shadows))
        if own != other:
            raise InputError(
                f"shadow models must have outputs of the same kinds, views and classes as the target, got {kind} with "
                f"(views, classes) = {own} of the target and {other} of the shadow models"
            )
    ours, theirs = models.signals.resolutions, shadows.signals.resolutions
    coarser = {kind: max(ours[kind], theirs.get(kind, Resolution())) for kind in ours}
    return (
        replace(models, signals=replace(models.signals, resolutions=coarser)),
        replace(shadows, signals=replace(shadows.signals, resolutions=coarser), other_records=True),
    )


def _lengths(array: ByModel | None) -> tuple[int, ...] | None:
    """(V,), or (V, C) where there are classes; None where there is no such output."""
    return None if array is None else (array.shape[1], *array.shape[3:])
