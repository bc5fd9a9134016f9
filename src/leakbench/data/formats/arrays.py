"""numpy arrays of records and labels."""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..audit_file import npy
from ..audit_file.tables import refuse_bomb
from ._files import reading
from ._images import scale
from .base import Floats, Format, Raw, join

RECORDS = ("x", "images", "features", "data")
LABELS = ("y", "labels", "targets", "target", "label")
CHANNELS = (1, 3)
NPZ = "an npz file (or a folder of npy files) of plain numbers"
Reader = Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class Arrays(Format):
    """An npz file, or a folder of npy files, with x and y (or images, labels; also x_train ... y_test).

    Records [N, D] are a table, taken as they are. Images are [N, height, width], [N, height, width, 1 or 3]
    or [N, 1 or 3, height, width], as whole numbers 0..255 or fractions 0..1. Labels are [N] or one-hot
    [N, C]. Arrays of other names, such as those of a val part, are left alone.
    """

    name: ClassVar[str] = "arrays"
    source: ClassVar[str] = "numpy, the npy and npz formats"
    has_columns: ClassVar[bool] = True

    def accepts(self, path: Path) -> bool:
        if path.is_dir():
            return any(path.glob("*.npy"))
        return path.suffix == ".npz"

    def read(self, path: Path, label: str | None = None) -> Raw:
        arrays = _open(path)
        train, test = _pair(arrays, "train", label, path), _pair(arrays, "test", label, path)
        if test is not None and train is None:
            raise InputError(
                f"{path} must hold a training part beside its test part, got {', '.join(arrays)}"
            )
        pair = train or _pair(arrays, "", label, path)
        if pair is None:
            raise InputError(
                f"{path} must hold x and y, or x_train and y_train, got {', '.join(arrays) or 'nothing'}"
            )
        parts = [pair] if test is None else [pair, test]
        x = [_records(records, path) for records, _ in parts]
        if len({part.shape[1:] for part in x}) > 1:
            raise InputError(
                f"{path}: both parts must have records of one shape, got {[p.shape[1:] for p in x]}"
            )
        n_train = len(x[0])
        with reading(path, "arrays of numbers whose parts are of one kind"):
            y = np.concatenate([labels for _, labels in parts])
            joined = x[0] if len(x) == 1 else np.concatenate(x)
        return Raw(y, lambda rows: _floats(joined[rows]), join(n_train, len(y) - n_train))


def _open(path: Path) -> dict[str, Reader]:
    """Functions that read each array, by its name in lower case. Arrays of Python objects are refused."""
    if path.is_dir():
        return {file.stem.lower(): partial(_mapped, file) for file in sorted(path.glob("*.npy"))}
    with reading(path, NPZ), zipfile.ZipFile(path) as archive:
        refuse_bomb(path, sum(member.file_size for member in archive.infolist()))
        return {
            name.removesuffix(".npy").lower(): partial(_unzipped, path, name) for name in archive.namelist()
        }


def _mapped(file: Path) -> NDArray[Any]:
    with reading(file, "an npy file of plain numbers"), file.open("rb") as opened:
        return npy.map_array(opened, npy.read_layout(opened, file.stat().st_size))


def _unzipped(path: Path, name: str) -> NDArray[Any]:
    with reading(path, NPZ), zipfile.ZipFile(path) as archive, archive.open(name) as member:
        return npy.read_array(member, npy.read_layout(member, archive.getinfo(name).file_size))


def _pair(
    arrays: Mapping[str, Reader], part: str, label: str | None, path: Path
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Records and labels of a part, or None if it is not there. `part` comes before or after the names."""
    records = _one(arrays, RECORDS, part, path)
    labels = _one(arrays, (label.lower(),) if label else LABELS, part, path)
    if records is None and labels is None:
        return None
    if records is None or labels is None:
        missing = "records" if records is None else "labels"
        raise InputError(f"{path} must hold records and labels, got no {missing} among {', '.join(arrays)}")
    x, y = arrays[records](), arrays[labels]()
    shapes = f"{list(y.shape)} and {list(x.shape)}"
    if y.ndim == 2 and y.shape[1] > 1:
        if not ((y == 0) | (y == 1)).all() or (y.sum(axis=1) != 1).any():
            raise InputError(f"{path}: {labels} must be [N] or one-hot [N, C], got rows that are not one-hot")
        y = y.argmax(axis=1)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or x.ndim == 0 or len(x) != len(y):
        raise InputError(f"{path}: {labels} must hold one label a record of {records}, got {shapes}")
    return x, y


def _one(arrays: Mapping[str, Reader], names: tuple[str, ...], part: str, path: Path) -> str | None:
    wanted = {form for name in names for form in (f"{name}_{part}", f"{part}_{name}", f"{name}{part}")}
    found = [name for name in arrays if name in (wanted if part else names)]
    if len(found) > 1:
        raise InputError(f"{path} must hold one array of {', '.join(names)}, got {', '.join(found)}")
    return found[0] if found else None


def _records(x: NDArray[Any], path: Path) -> NDArray[Any]:
    """Records as [N, D] or [N, channels, height, width], still of their own type."""
    if x.dtype.kind not in "biuf":
        raise InputError(f"{path}: records must be numbers, got {x.dtype}")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        x = np.moveaxis(x, 3, 1)
    if x.ndim not in (2, 4) or (x.ndim == 4 and x.shape[1] not in CHANNELS):
        raise InputError(f"{path}: records must be [N, D] or images of 1 or 3 channels, got {list(x.shape)}")
    low, high = (x.min(), x.max()) if x.size else (0, 0)
    most = 1 if x.dtype.kind in "bf" else 255
    if x.ndim == 4 and not 0 <= low <= high <= most:
        raise InputError(
            f"{path}: images of {x.dtype} must lie in 0..{most}, got {low}..{high}; scale them first"
        )
    return x


def _floats(x: NDArray[Any]) -> Floats:
    if x.ndim == 4 and x.dtype.kind in "iu":
        return scale(x.astype(np.uint8))
    with np.errstate(over="ignore"):  # infinite values are refused with the data set
        return np.ascontiguousarray(x, dtype=np.float32)
