"""A data set: records, labels, class names, fixed parts, and a fingerprint."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Records x [N, ...], labels y [N] in 0..C-1, and disjoint parts by name.

    Parts: `pool` (the candidate records), `dev` (for early stopping and adversaries), `test` (for utility, and as the
    attacker's population), `public` (records that attacker and defender both have), `twins` (of canaries: every model
    trains on them). Images are float32 [N, channels, height, width] in 0..1; tables are float32 [N, D].
    `mean` and `std` of each channel or column are the normalisation of a network's input; x itself is never normalised.
    """

    name: str
    x: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    parts: Mapping[str, Indices]
    source: str = ""
    mean: tuple[float, ...] = ()  # [channels], or none: no normalisation
    std: tuple[float, ...] = ()  # [channels], or none
    notes: tuple[str, ...] = ()  # what was left out of the files, or may be read in an unexpected way
    canaries: Mapping[str, Indices] = field(default_factory=dict)  # rows of the pool, by kind of canary

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise InputError(f"x and y must have one row per record, got {len(self.x)} and {len(self.y)}")
        if self.y.size and not 0 <= self.y.min() <= self.y.max() < len(self.classes):
            bounds = f"0..{len(self.classes) - 1}"
            raise InputError(f"labels must lie in {bounds}, got {self.y.min()}..{self.y.max()}")
        if not np.isfinite(self.x).all():
            raise InputError(
                f"the records of {self.name!r} must be finite, got NaN or infinity; clean them first"
            )
        used = np.concatenate([np.empty(0, np.int64), *self.parts.values()])
        if len(np.unique(used)) != len(used):
            raise InputError(f"the parts of {self.name!r} overlap; a record belongs to one part")
        if used.size and not 0 <= used.min() <= used.max() < len(self.x):
            raise InputError(
                f"parts of {self.name!r} must lie in 0..{len(self.x) - 1}, got {used.min()}..{used.max()}"
            )
        if {len(self.mean), len(self.std)} not in ({0}, {self.x.shape[1]}) or min(self.std, default=1) <= 0:
            raise InputError(
                f"mean and std of {self.name!r} must have one number a channel ({self.x.shape[1]}), std above 0, "
                f"got {self.mean} and {self.std}"
            )

    @property
    def is_image(self) -> bool:
        """Whether records are [channels, height, width]."""
        return self.x.ndim == 4

    @property
    def twins(self) -> Indices:
        """Rows that every model trains on, beside its members."""
        return self.parts.get("twins", np.empty(0, np.int64))

    def canary_kinds(self, rows: Indices) -> NDArray[np.str_] | None:
        """The kind of canary of each row [n], empty for an average record; None if the data set has no canaries."""
        if not self.canaries:
            return None
        kinds = np.zeros(len(self.x), dtype=f"U{max(map(len, self.canaries))}")
        for kind, own in self.canaries.items():
            kinds[own] = kind
        return kinds[rows]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over records, labels, class names, parts and normalisation: 32 hex digits."""
        digest = hashlib.sha256()
        arrays: list[NDArray[Any]] = [self.x, self.y, *(self.parts[part] for part in sorted(self.parts))]
        for array in arrays:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        digest.update("\x1f".join([*self.classes, *sorted(self.parts)]).encode())
        if self.mean:
            digest.update(f"\x1e{self.mean}{self.std}".encode())
        return digest.hexdigest()[:32]

    def describe(self) -> dict[str, Any]:
        """The description of the data in a report."""
        return {
            "name": self.name,
            "source": self.source,
            "records": len(self.x),
            "shape": list(self.x.shape[1:]),
            "classes": len(self.classes),
            "parts": {k: len(v) for k, v in self.parts.items()},
            "mean": list(self.mean),
            "std": list(self.std),
            "fingerprint": self.fingerprint,
        }
