"""Images in a zip archive, one folder a class; nothing is written to disk."""

import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ..dataset import Indices
from ._files import reading
from ._images import decode, is_image
from .base import Floats, Format, Raw

MOST_BYTES = 100_000_000  # of one image


@dataclass(frozen=True)
class ImageZip(Format):
    """A zip archive of images, alone in a folder or not in one; the folder that an image is in is its class.

    Hidden files, and the folders that macOS adds, are left alone.
    """

    name: ClassVar[str] = "image_zip"
    source: ClassVar[str] = "the layout of torchvision's ImageFolder, zipped"

    def accepts(self, path: Path) -> bool:
        place = _archive(path)
        return place is not None and place.is_file() and zipfile.is_zipfile(place)

    def read(self, path: Path, label: str | None = None) -> Raw:
        place = _archive(path)
        if place is None:
            raise InputError(f"{path} must be a zip archive of images, or a folder of one, got neither")
        with reading(place, "a zip archive of images"):
            archive = zipfile.ZipFile(place)
            names = sorted(name for name in archive.namelist() if _counts(name))
        if not names:
            raise InputError(f"{place} must hold one folder of images a class, got no image in any folder")

        def take(rows: Indices) -> Floats:
            with reading(place, "a zip archive of images"):
                contents = [_read(archive, names[i]) for i in rows]
            return decode(
                [(f"{place}: {names[i]}", content) for i, content in zip(rows, contents, strict=True)]
            )

        labels = np.array([PurePosixPath(name).parent.name for name in names])
        return Raw(labels, take, np.zeros(len(names), dtype=np.bool_))


def _archive(path: Path) -> Path | None:
    """`path` itself, or the zip archive that is alone in it."""
    inside = [entry for entry in path.iterdir() if entry.name[0] != "."] if path.is_dir() else [path]
    return inside[0] if len(inside) == 1 and inside[0].suffix == ".zip" else None


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of a member. Raises ValueError for one that is too large for an image."""
    if (size := archive.getinfo(name).file_size) > MOST_BYTES:
        raise ValueError(f"{name} has {size} bytes")
    return archive.read(name)


def _counts(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return is_image(name) and len(parts) > 1 and not any(part.startswith((".", "__")) for part in parts)
