"""The interface of generators: fitted on real records, they make new ones of given classes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, require
from ..core.registry import Plugin
from ..core.seeds import stream
from ..data.parts import quotas

Records = NDArray[np.float32]
Labels = NDArray[np.int64]


class Sampler(Protocol):
    """A fitted generator."""

    def __call__(self, labels: Labels, rng: np.random.Generator) -> Records:
        """One new record of each of the classes `labels` [m]: float32 [m, ...], shaped as those fitted on."""
        ...


class Generator(Plugin):
    """Makes synthetic records from real ones. Heavy libraries are imported in `fit`, never with the module."""

    images: ClassVar[bool] = True  # whether it can make images [n, channels, height, width] in 0..1
    tables: ClassVar[bool] = True  # whether it can make tables [n, D]
    fitted: ClassVar[bool] = True  # whether it is fitted on the given records
    package: ClassVar[str | None] = None  # an optional one that it needs

    def check(self, shape: tuple[int, ...], classes: Sequence[str]) -> None:
        """Raise InputError unless the generator can make records of `shape` in these classes.

        Raises ModuleNotFoundError if the package that it needs is not installed.
        """
        kind = "images" if len(shape) == 3 else "tables"
        if not getattr(self, kind):
            raise InputError(f"the generator {self.name!r} does not make {kind}; choose another")
        if self.package is not None:
            require(self.package)

    def class_counts(self, y: Labels, classes: Sequence[str]) -> Labels:
        """The proportions [C] of the classes: those of the records that the generator is fitted on."""
        return np.bincount(y, minlength=len(classes))

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        """A sampler fitted on records x [n, ...] with labels y [n], places in `classes`, all of which occur.

        All randomness comes from `rng`. Raises InputError for records that the generator cannot learn from.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Synthetic records, and the seconds that they took."""

    x: Records  # [n, ...]
    y: Labels  # [n]
    seconds: float


def synthesise(
    generator: Generator, x: Records, y: Labels, classes: Sequence[str], size: int, seed: int
) -> Synthetic:
    """`size` synthetic records from a generator fitted on x and y.

    Raises InputError for kinds of records that the generator does not handle, and for a class without records.
    """
    generator.check(x.shape[1:], classes)
    counts = generator.class_counts(y, classes)
    if not counts.all():
        empty = classes[int(np.flatnonzero(counts == 0)[0])]
        raise InputError(f"a generator needs records of every class, got none of class {empty!r}; give more")
    started = time.perf_counter()
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), quotas(counts, size))
    made = generator.fit(x, y, classes, stream(seed, "generator", "fit"))(
        labels, stream(seed, "generator", "sample")
    )
    return Synthetic(np.ascontiguousarray(made, np.float32), labels, time.perf_counter() - started)
