"""The interface of readers. Labels are read at once, records on demand, so that a subset is cheap."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.registry import Plugin
from ...signals.types import Bools
from ..dataset import Indices

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Raw:
    """The content of files, before parts are cut; a training part's rows come before a test part's."""

    labels: NDArray[Any]  # [N] whole numbers or text
    take: Callable[[Indices], Floats]  # rows [n], ascending -> records [n, ...]
    test: Bools  # [N] in the test part that the files came with
    classes: tuple[str, ...] | None = None  # names of labels 0..C-1, where the files hold them
    numeric: Bools | None = (
        None  # [D] features of a table that are quantities, NaN where missing; else none is
    )
    notes: tuple[str, ...] = ()  # what was left out, or may be read in an unexpected way

    def __post_init__(self) -> None:
        if not len(self.labels):
            raise InputError("data must have at least one record, got none")


class Format(Plugin):
    """A layout of files. The docstring's first sentence says what `path` must be."""

    has_columns: ClassVar[bool] = False  # `label` may say which column (or array) holds the labels

    def accepts(self, path: Path) -> bool:
        """Whether `path` looks like this layout, from names alone or a glance inside."""
        raise NotImplementedError

    def read(self, path: Path, label: str | None = None) -> Raw:
        """The content of `path`. Raises InputError if it is not of this format."""
        raise NotImplementedError


def join(train: int, test: int) -> Bools:
    """The test mask [N] of `train` records followed by `test` records."""
    return np.arange(train + test) >= train
