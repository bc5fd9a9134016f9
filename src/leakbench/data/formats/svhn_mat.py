"""SVHN's cropped digits, in MATLAB files of two plain arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ._files import reading
from ._images import scale
from ._mat import read_arrays
from .base import Format, Raw, join

TRAIN, TEST = "train_32x32.mat", "test_32x32.mat"
ZERO = 10  # SVHN's label of the digit 0


@dataclass(frozen=True)
class SvhnMat(Format):
    """A folder of SVHN's train_32x32.mat and test_32x32.mat, or one such file: X [32, 32, 3, N] and y [N, 1]."""

    name: ClassVar[str] = "svhn_mat"
    source: ClassVar[str] = "Netzer et al. 2011, the SVHN dataset, format 2: cropped digits"

    def accepts(self, path: Path) -> bool:
        return path.suffix == ".mat" if path.is_file() else (path / TRAIN).is_file()

    def read(self, path: Path, label: str | None = None) -> Raw:
        files = [path] if path.is_file() else [path / TRAIN]
        if not files[0].is_file():
            raise InputError(f"{path} must hold {TRAIN}, got no such file")
        if (path / TEST).is_file():
            files.append(path / TEST)
        pairs = [_read(file) for file in files]
        x = np.concatenate([images for images, _ in pairs])
        y = np.concatenate([labels for _, labels in pairs])
        n_train = len(pairs[0][1])
        return Raw(y, lambda rows: scale(x[rows]), join(n_train, len(y) - n_train))


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [N, 3, 32, 32] and digits [N]."""
    with reading(path, "a MATLAB file of SVHN's X [32, 32, 3, N] and y [N, 1]"):
        arrays = read_arrays(path.read_bytes(), ("X", "y"))
        x, y = (arrays.get(name, np.empty(0)) for name in ("X", "y"))
        if x.ndim != 4 or x.shape[:3] != (32, 32, 3) or x.dtype != np.uint8:
            raise ValueError(f"X {list(x.shape)} of {x.dtype}")
        if y.shape != (x.shape[3], 1) or not np.isin(y, np.arange(1, ZERO + 1)).all():
            raise ValueError(f"y {list(y.shape)}, in {y.min(initial=ZERO)}..{y.max(initial=0)}")
    return x.transpose(3, 2, 0, 1), y[:, 0].astype(np.int64) % ZERO
