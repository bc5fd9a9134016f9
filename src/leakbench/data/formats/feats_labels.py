"""Texas-100 as published with Shokri et al. 2017: a file of bits and a file of classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ._bits import read_bits
from ._files import reading, streams
from .base import Format, Raw

ARCHIVE = "dataset_texas.tgz"
INSIDE = "texas/100"  # the archive also holds other numbers of classes


@dataclass(frozen=True)
class FeatsLabels(Format):
    """dataset_texas.tgz, or a folder with the files feats (rows of bits) and labels (a class each line)."""

    name: ClassVar[str] = "feats_labels"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820, the published data"

    def accepts(self, path: Path) -> bool:
        return next(_places(path), None) is not None

    def read(self, path: Path, label: str | None = None) -> Raw:
        place = next(_places(path), path)
        folder = INSIDE if place.is_file() else ""
        bits: NDArray[np.uint8] | None = None
        labels: NDArray[np.int64] | None = None
        with reading(place, "dataset_texas.tgz, or a folder of the files feats and labels"):
            for name, file in streams(place, ("feats", "labels")):
                if name.removeprefix("./") == f"{folder}/feats".lstrip("/"):
                    bits = read_bits(file, class_first=False)[1]
                elif name.removeprefix("./") == f"{folder}/labels".lstrip("/"):
                    labels = read_bits(file, class_first=True)[0]
        if bits is None or labels is None:
            raise InputError(f"{place} must hold the files {folder or '.'}/feats and labels, got not both")
        if len(bits) != len(labels):
            raise InputError(f"{place} must hold a label a record, got {len(labels)} and {len(bits)}")
        none = np.zeros(len(labels), dtype=np.bool_)
        return Raw(labels, lambda rows: bits[rows].astype(np.float32), none)


def _places(path: Path) -> Iterator[Path]:
    """Where the published files lie, seen from `path`; unpacked before packed."""
    if path.is_file():
        if path.name == ARCHIVE:
            yield path
        return
    for folder in (path, path / "100", path / INSIDE):
        if (folder / "feats").is_file() and (folder / "labels").is_file():
            yield folder
    if (path / ARCHIVE).is_file():
        yield path / ARCHIVE
