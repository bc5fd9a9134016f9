"""The idx files of MNIST and of what followed it (Fashion-MNIST, KMNIST, EMNIST)."""

import gzip
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..audit_file.tables import refuse_bomb
from ._files import reading
from ._images import scale
from .base import Format, Raw, join

UBYTE = 8  # the code of unsigned bytes in the third byte of the file


@dataclass(frozen=True)
class Idx(Format):
    """A folder of MNIST's idx files (train-images-idx3-ubyte and so on, gz or not), or one images file."""

    name: ClassVar[str] = "idx"
    source: ClassVar[str] = "LeCun, Cortes, Burges, The MNIST database, file formats"

    def accepts(self, path: Path) -> bool:
        if path.is_file():
            return "images" in path.name and "idx3" in path.name
        return _images(path, "train") is not None

    def read(self, path: Path, label: str | None = None) -> Raw:
        if path.is_file():
            files = [path]
        else:
            train = _images(path, "train")
            if train is None:
                raise InputError(f"{path} must hold train-images-idx3-ubyte (or .gz), got no such file")
            test = _images(path, "t10k") or _images(path, "test")
            files = [train] if test is None else [train, test]
        pairs = [_pair(file) for file in files]
        x = np.concatenate([images for images, _ in pairs])
        y = np.concatenate([labels for _, labels in pairs])
        n_train = len(pairs[0][1])
        return Raw(y, lambda rows: scale(x[rows][:, None]), join(n_train, len(y) - n_train))


def _images(folder: Path, part: str) -> Path | None:
    """The images file of a part, in `folder` or in `folder`/raw; unzipped before zipped."""
    for place in (folder, folder / "raw"):
        for file in sorted(place.glob(f"{part}-images?idx3-ubyte*")):
            if file.name.endswith(("ubyte", "ubyte.gz")):
                return file
    return None


def _pair(images: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images [N, height, width] and labels [N]."""
    labels = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    if not labels.exists():
        labels = labels.with_suffix("") if labels.suffix == ".gz" else labels.with_name(f"{labels.name}.gz")
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if len(x) != len(y):
        raise InputError(
            f"{images} and {labels.name} must hold one label an image, got {len(x)} and {len(y)}"
        )
    return x, y


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes, of `ndim` axes, in an idx file (gzip-compressed if its name ends in .gz).

    Layout: two zero bytes, type code, number of axes, the axes as big-endian uint32, then the values.
    """
    kind = "a gzip-compressed" if path.suffix == ".gz" else "an"
    what = f"{kind} idx file of unsigned bytes with {ndim} axes"
    with reading(path, what):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * ndim)
            zeros, code, axes, *shape = struct.unpack(f">HBB{ndim}I", header)
            if (zeros, code, axes) != (0, UBYTE, ndim):
                raise ValueError(f"header {header[:4].hex(' ')}")
            announced = math.prod(shape)
            most = path.stat().st_size
            if path.suffix == ".gz":
                most = announced
                refuse_bomb(path, announced, remedy="unpack it with gunzip")
            content = file.read(min(announced, most) + 1)
        if len(content) != announced:
            there = "more" if len(content) > announced else len(content)
            raise ValueError(f"{announced} values announced, {there} there")
        return np.frombuffer(content, np.uint8).reshape(shape)
