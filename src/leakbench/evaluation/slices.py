"""Slices: parts of the records on which leakage is measured separately.

No slice depends on membership, so a slice of noise is noise.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..signals.models import Models
from ..signals.types import Array, Bools
from .measure import FEWEST

LOSS_CUTS = (0, 20, 40, 60, 80, 100)


def slices(
    models: Models,
    targets: Sequence[int],
    class_names: Sequence[str] | None = None,
    groups: Mapping[str, NDArray[np.str_]] | None = None,
    average: Bools | slice = slice(None),
) -> dict[str, Bools]:
    """Masks [T, N] by name: all, each class, correctness, fifths by the target's own loss, custom groups.

    The fifths are those of the `average` records [N], without canaries.
    """
    signals, shape = models.signals, (len(targets), models.members.shape[1])
    found = {"all": np.ones(shape, dtype=bool)}
    if signals.labels is not None:
        classes, counts = np.unique(signals.labels, return_counts=True)
        for c in classes[counts * len(targets) >= FEWEST]:  # of what has fewer nothing can be measured
            name = class_names[c] if class_names is not None else str(c)
            found[f"class={name}"] = np.broadcast_to(signals.labels == c, shape)
    if signals.offers("correct"):
        correct = np.stack(
            [signals.statistic("correct", m).mean(axis=0) >= 0.5 for m in targets]
        )  # by most views
        found |= {"correct=yes": correct, "correct=no": ~correct}
    if signals.offers("loss"):
        losses = [signals.statistic("loss", m).mean(axis=0) for m in targets]
        percentile = np.stack([_percentile(each, each[average]) for each in losses])
        for low, high in pairwise(LOSS_CUTS):
            found[f"loss={low}-{high}%"] = (low <= percentile) & (percentile < high)
    for group, values in (groups or {}).items():
        for value in np.unique(values):
            found[f"group:{group}={value}"] = np.broadcast_to(values == value, shape)
    return found


def _percentile(values: Array, among: Array) -> Array:
    """For each value the share of smaller ones among others, in 0..100; equal values fall into the same slice."""
    return 100.0 * np.searchsorted(np.sort(among), values, side="left") / among.size
