from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..core.errors import InputError
from ..data.dataset import Dataset, Indices
from ..data.formats import FORMATS, read_path
from ..data.labels import encode
from .base import Generator, Labels, Records, Sampler


@dataclass(frozen=True)
class Files(Generator):
    r"""Synthetic records that you made yourself, read from `path`.

    `path` is a folder of images with one sub-folder a class, or anything else that `leakbench list data` names as
    a format; `format` and `label` are those of the [data] table. Its labels are the data set's class names, or
    their numbers 0, 1, ...

    Formula: the files of a class in random order, each used once before any is used again
    Shapes:  files [n, ...] -> records [m, ...], of the shape of the real ones
    Source:  SynthShield, whose synthetic images lie in one folder a class
    Differs: the same records for every model, the classes in the files' own proportions: nothing is fitted on a
             model's members
    Limits:  files that were made from the target's members can leak them, and shadow models do not show how much:
             to measure that, generate for each model (with another generator)
    """

    name: ClassVar[str] = "files"
    source: ClassVar[str] = "the files under `path`"
    version: ClassVar[int] = 2
    fitted: ClassVar[bool] = False
    path: str = ""  # file of synthetic records
    format: str | None = None  # how to read `path`; None: found out from its name and layout
    label: str | None = None  # the column (or array) of labels, where there are several

    def __post_init__(self) -> None:
        if not self.path:
            raise InputError("the generator 'files' needs a path: the folder or file of synthetic records")
        if self.format is not None:
            FORMATS.get(self.format)

    @cached_property
    def records(self) -> Dataset:
        """The content of the files, read once, so that the used records are those that the key describes."""
        path = Path(self.path).expanduser()
        raw = read_path(path, FORMATS.names() if self.format is None else [self.format], self.label)
        y, classes = encode(raw.labels, raw.classes)
        return Dataset(path.name, raw.take(np.arange(len(y))), y, classes, {}, str(path))

    def describe(self) -> dict[str, Any]:
        """As of every generator, with a digest of the files, so that other files are another generator."""
        return {**super().describe(), "content": self.records.fingerprint}

    def check(self, shape: tuple[int, ...], classes: Sequence[str]) -> None:
        found = self.records.x.shape[1:]
        if found != shape:
            raise InputError(
                f"synthetic records must have the shape of the real ones, {list(shape)}, "
                f"got {list(found)} in {self.path}; convert them"
            )
        self._places(classes)

    def class_counts(self, y: Labels, classes: Sequence[str]) -> Labels:
        return np.bincount(self.records.y)[self._places(classes)]

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        self.check(x.shape[1:], classes)
        records = self.records
        rows = [np.flatnonzero(records.y == c) for c in self._places(classes)]

        def sample(labels: Labels, rng: np.random.Generator) -> Records:
            taken = np.empty(len(labels), np.int64)
            for c in np.unique(labels):
                wanted = labels == c
                taken[wanted] = _in_turn(rows[c], int(wanted.sum()), rng)
            return records.x[taken]

        return sample

    def _places(self, classes: Sequence[str]) -> list[int]:
        """The class of the files for each class of the data set. Raises InputError unless they are the same."""
        found = self.records.classes
        numbers = tuple(map(str, range(len(classes))))
        if set(found) not in (set(classes), set(numbers)):
            raise InputError(
                f"synthetic records must be of the data set's {len(classes)} classes, {_named(classes)}, got "
                f"{len(found)} in {self.path}: {_named(found)}; make one sub-folder (or label) a class"
            )
        counts = np.bincount(self.records.y, minlength=len(found))
        if not counts.all():
            raise InputError(
                f"synthetic records must be of every class, got none of class {found[counts.argmin()]!r} in "
                f"{self.path}; add some"
            )
        return [found.index(name) for name in (classes if set(found) == set(classes) else numbers)]


def _named(classes: Sequence[str]) -> str:
    return ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")


def _in_turn(rows: Indices, n: int, rng: np.random.Generator) -> Indices:
    """n of `rows` in random order, each used once before any is used again."""
    rounds = -(-n // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:n]
