"""Builds `Models` from the arrays of an audit file: the targets first, then their shadow models."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...signals.axes import Numbers, to_axes
from ...signals.models import Models
from ...signals.resolution import Resolution, of_logits, of_losses, typical
from ...signals.types import BLOCK, Bools, ByModel, Labels, PerModel, Signals, on_records
from . import check
from .mapped import joined
from .named_views import in_order, predicted_when_perturbed, view_names, without_perturbed
from .names import KINDS, listed, require_least
from .other_records import alike, has_other_records, of_shadows

Arrays = Mapping[str, NDArray[Any]]
COARSER = 10  # times the common step, from which on a model is rounded in another way
Resolutions = dict[str, Resolution]
Bounds = dict[str, dict[int, tuple[float, float]]]  # of the outputs of some models, by kind and model
Outputs = dict[str, ByModel]  # by the fields of Signals: logits [M, V, N, C], losses and scores [M, V, N]


def assemble(arrays: Arrays) -> tuple[Models, tuple[int, ...], Models | None]:
    """The checked models, the indices of those under attack, and shadow models on other records than these.

    Raises InputError.
    """
    if has_other_records(arrays):
        own = {name: array for name, array in arrays.items() if not name.startswith("shadow_")}
        models, targets = _on_common_records(own)
        try:
            shadows, _ = _on_common_records(of_shadows(arrays))
        except InputError as error:
            raise InputError(f"shadow models on other records: {error}") from None
        models, shadows = alike(models, shadows)
        return models, targets, shadows
    return *_on_common_records(arrays), None


def _on_common_records(arrays: Arrays) -> tuple[Models, tuple[int, ...]]:
    """The models of which all were queried with the same records, and the indices of those under attack."""
    require_least(arrays, arrays)
    letters = "MN" if arrays["members"].ndim == 2 else "N"
    targets = _target_members(arrays, letters)
    own = _outputs(arrays, "", letters, {"M": len(targets), "N": targets.shape[1]})
    shadows = _shadow_members(arrays, targets.shape[1])
    members = np.concatenate([targets, shadows])
    outputs = _with_shadows(own, arrays, "shadow_", "SN", shadows.shape)
    resolutions, bounds = _resolutions(outputs, len(targets))
    views = view_names(arrays.get("views"), next(iter(own.values())).shape[1])
    labels = _labels(arrays, "labels", members.shape[1], own)
    sides = {"": (letters, targets), "shadow_": ("SN", shadows)}
    models = Models(
        _signals(_within(outputs, bounds), labels, resolutions, views, _gradients(arrays, sides)),
        members,
        np.ones_like(members),
        _population(arrays, letters.replace("N", "Z"), own, len(shadows), (resolutions, bounds), views),
    )
    return models, tuple(range(len(targets)))


def kinds(arrays: Arrays, prefix: str = "") -> list[str]:
    """The kinds of outputs that are used. Logits replace probabilities."""
    given = [kind for kind in KINDS if prefix + kind in arrays]
    return [kind for kind in given if kind != "probs" or "logits" not in given]


def _target_members(arrays: Arrays, letters: str) -> Bools:
    members = check.members("members", arrays["members"], letters)
    if letters == "N":
        members = members[None]
    else:
        _check_orientation(arrays, members)
    check.both_sides("members", members)
    return members


def _check_orientation(arrays: Arrays, members: Bools) -> None:
    """Raise InputError if the membership is transposed, before other arrays are checked against it."""
    if members.shape[1] == 1:
        raise InputError(f"members must be [N records], got {members.shape}; flatten it: members.ravel()")
    swapped = [
        arrays[kind].shape[0] == members.shape[1] and members.shape[0] in arrays[kind].shape[1:3]
        for kind in kinds(arrays)
        if arrays[kind].ndim
    ]
    if swapped and all(swapped) and members.shape[0] > members.shape[1]:
        want = members.shape[::-1]
        raise InputError(
            f"members must be [M models, N records] = {want}, got {members.shape}; transpose it: members.T"
        )


def _shadow_members(arrays: Arrays, n: int) -> Bools:
    """[S, N]; S = 0 without shadow models. A shadow model may have no members among the records."""
    given = sorted(name for name in arrays if name.startswith("shadow_"))
    if not given:
        return np.zeros((0, n), dtype=bool)
    if "shadow_members" not in arrays:
        raise InputError(
            f"{given[0]} needs shadow_members [S shadow models, N records]: who trained which one"
        )
    members = check.members("shadow_members", arrays["shadow_members"], "SN")
    if members.shape[1] != n:
        repair = (
            "transpose it: shadow_members.T"
            if len(members) == n
            else "query all models with the same records"
        )
        raise InputError(
            f"shadow_members must be [S shadow models, N records] with N = {n} as in members, "
            f"got {members.shape}; {repair}"
        )
    return members


def _outputs(
    arrays: Arrays, prefix: str, letters: str, sizes: dict[str, int], like: Outputs | None = None
) -> Outputs:
    """The checked outputs whose names begin with `prefix`, with the views and classes of `like`."""
    found: Outputs = {}
    for kind in kinds(arrays, prefix):
        name, field = prefix + kind, "logits" if kind == "probs" else kind
        agree = found.get("logits") if like is None and kind == "losses" else (like or {}).get(field)
        layout = letters + "C" if field == "logits" else letters
        array = check.numbers(name, to_axes(name, arrays[name], layout, sizes | _lengths(agree)))
        found[field] = check.CHECKS[kind](name, array)
    return found


def _lengths(outputs: ByModel | None) -> dict[str, int]:
    """The lengths that other outputs of the same models must have: V, and C if there is one."""
    return {} if outputs is None else dict(zip("VC", outputs.shape[1::2], strict=False))


def _with_shadows(own: Outputs, arrays: Arrays, prefix: str, letters: str, shape: tuple[int, ...]) -> Outputs:
    """The targets' outputs followed by those of the S = shape[0] shadow models."""
    if shape[0] == 0:
        return own
    _check_kinds(arrays, prefix.removeprefix("shadow_"), prefix)
    theirs = _outputs(arrays, prefix, letters, dict(zip(letters, shape, strict=True)), own)
    return {kind: joined(array, theirs[kind]) for kind, array in own.items()}


def _check_kinds(arrays: Arrays, prefix: str, other: str) -> None:
    """Raise InputError unless the outputs under both prefixes are of the same kinds."""
    want, got = kinds(arrays, prefix), kinds(arrays, other)
    if want != got:
        raise InputError(
            f"{other}* must hold the same kinds of outputs as {prefix + '*' if prefix else 'the target'}, "
            f"{', '.join(want)}, got {', '.join(got) or 'none'}; give both or neither"
        )


def _labels(arrays: Arrays, name: str, n: int, outputs: Outputs) -> Labels | None:
    n_classes = outputs["logits"].shape[3] if "logits" in outputs else None
    return check.labels(name, arrays[name], n, n_classes) if name in arrays else None


def _population(
    arrays: Arrays,
    letters: str,
    targets: Outputs,
    n_shadows: int,
    rounded: tuple[Resolutions, Bounds],
    views: tuple[str, ...],
) -> Models | None:
    """The same models on records that none of them trained on, if they are given."""
    if not any("population_" in name for name in arrays):
        return None
    n_targets = len(next(iter(targets.values())))
    own = _outputs(arrays, "population_", letters, {"M": n_targets}, targets)
    if not own:
        raise InputError(f"a population needs logits, probs or losses of the target, got {listed(arrays)}")
    n = next(iter(own.values())).shape[2]
    outputs = _with_shadows(own, arrays, "shadow_population_", "SZ", (n_shadows, n))
    labels = _labels(arrays, "population_labels", n, outputs)
    if "labels" in arrays and labels is None and "logits" in own:
        raise InputError(f"a population needs population_labels [{n}], as the records have labels, got none")
    nobody = np.zeros((n_targets + n_shadows, n), dtype=bool)
    return Models(_signals(_within(outputs, rounded[1]), labels, rounded[0], views), nobody, ~nobody)


def _gradients(arrays: Arrays, sides: Mapping[str, tuple[str, Bools]]) -> Numbers | None:
    """Logarithms of the gradient norms [M + S, 1, N], where they are given. A zero is half of the smallest other.

    `sides` has the axes and the membership of targets and of shadow models, by the prefix of their arrays.
    """
    there = {prefix: about for prefix, about in sides.items() if len(about[1])}
    named = {prefix + "gradient_norms": about for prefix, about in there.items()}
    if not any(name in arrays for name in named):
        return None
    for name in named:
        if name not in arrays:
            raise InputError(
                f"{name} must be given where others are, got none; give {' and '.join(named)}, or neither"
            )
    found = []
    for name, (letters, members) in named.items():
        sizes = dict(zip("SN" if letters == "SN" else "MN", members.shape, strict=True)) | {"V": 1}
        norms = check.norms(name, check.numbers(name, to_axes(name, arrays[name], letters, sizes)))
        found += [np.asarray(of_model, dtype=np.float64) for of_model in norms]
    stacked = np.stack(found)
    least = np.min(stacked, where=stacked > 0, initial=check.LARGEST)
    return np.asarray(np.log(np.maximum(stacked, least / 2)))


def _signals(
    outputs: Outputs,
    labels: Labels | None,
    resolutions: Resolutions,
    views: tuple[str, ...],
    gradients: Numbers | None = None,
) -> Signals:
    predicted = predicted_when_perturbed(outputs["logits"], views) if "logits" in outputs else None
    own = {kind: without_perturbed(array, views) for kind, array in outputs.items()} if views else outputs
    signals = Signals(
        labels, own.get("logits"), own.get("losses"), own.get("scores"), resolutions=resolutions
    )
    return replace(signals, predicted=predicted, gradients=gradients, views=in_order(views))


def _resolutions(outputs: Outputs, n_targets: int) -> tuple[Resolutions, Bounds]:
    """The resolution by kind of outputs, the coarser one of targets and shadow models; and bounds for some models.

    A model that is rounded far more coarsely than the others has a smallest (or largest) value of its own.
    """
    of = {"logits": of_logits, "losses": of_losses}
    n_models = len(next(iter(outputs.values())))
    sides = [range(n_targets), range(n_targets, n_models)]
    found: Resolutions = {}
    bounds: Bounds = {}
    for kind in outputs.keys() & of.keys():
        own = [of[kind](_spread(outputs[kind], m)) for m in range(n_models)]
        common = max(typical([own[m] for m in side]) for side in sides if side)
        coarser = [m for m, each in enumerate(own) if each.zeros and each.step > COARSER * common.step]
        found[kind] = common._replace(coarser=tuple(coarser))
        bounds[kind] = {m: own[m].bounds(kind) for m in coarser}
    return found, bounds


def _within(outputs: Outputs, bounds: Bounds) -> Outputs:
    """The outputs, of which those of some models are kept within bounds on reading."""
    return {
        kind: _clipped(array, bounds[kind]) if bounds.get(kind) else array for kind, array in outputs.items()
    }


def _clipped(array: ByModel, bounds: Mapping[int, tuple[float, float]]) -> ByModel:
    def clip(part: Numbers, m: int) -> Numbers:
        return np.clip(part, *bounds[m]).astype(array.dtype, copy=False) if m in bounds else part

    return PerModel(
        array.shape,
        lambda m: clip(np.asarray(array[m]), m),
        np.dtype(array.dtype),
        lambda m, records: clip(on_records(array, m, records), m),
    )


def _spread(array: ByModel, m: int) -> Numbers:
    """Model m's part on records spread over all, of about BLOCK values at most."""
    return on_records(array, m, slice(None, None, max(1, math.prod(array.shape[1:]) // BLOCK)))
