from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ..formats import Raw
from .base import KnownSet


@dataclass(frozen=True)
class Digits(KnownSet):
    """1,797 handwritten digits, 8 x 8 grey, 10 classes; comes with scikit-learn, no download."""

    name: ClassVar[str] = "digits"
    source: ClassVar[str] = (
        "Alpaydin, Kaynak 1998, Optical recognition of handwritten digits, UCI; from scikit-learn"
    )

    def read(self, root: Path | None, label: str | None) -> Raw:
        from sklearn.datasets import load_digits

        if label is not None:
            raise InputError(
                f"data set {self.name!r} has no columns to choose from; leave label = {label!r} out"
            )
        digits = load_digits()
        x = np.asarray(digits.images / 16.0, dtype=np.float32)[:, None]  # pixels count 0..16
        return Raw(digits.target, lambda rows: x[rows], np.zeros(len(x), dtype=np.bool_))
