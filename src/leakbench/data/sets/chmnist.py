from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..formats import Raw
from .base import File, KnownSet

FIRST_CLASS = "01_TUMOR"  # the number is no part of the name


@dataclass(frozen=True)
class ChMnist(KnownSet):
    """5,000 tiles of colorectal tissue, 150 x 150 colour, resized to 32 x 32, 8 classes."""

    name: ClassVar[str] = "chmnist"
    source: ClassVar[str] = (
        "Kather et al. 2016, Multi-class texture analysis in colorectal cancer histology, Scientific Reports 6"
    )
    home: ClassVar[str] = "https://zenodo.org/records/53169/files"
    files: ClassVar[tuple[File, ...]] = (
        File(
            "Kather_texture_2016_image_tiles_5000.zip",
            258_098_431,
            "sha256:936d0b95ae0f04f1f7b18a2b7e8c55776c3e887d102f645bcee752d1a6626a32",
        ),
    )
    formats: ClassVar[tuple[str, ...]] = ("image_folder", "image_zip")
    resize: ClassVar[int | None] = 32

    def read(self, root: Path | None, label: str | None) -> Raw:
        raw = super().read(root, label)
        names, y = np.unique(raw.labels, return_inverse=True)
        return replace(raw, labels=y, classes=tuple(str(name).split("_", 1)[-1] for name in names))

    def _place(self, root: Path | None) -> Path:
        folder = super()._place(root)
        return next((found.parent for found in sorted(folder.glob(f"**/{FIRST_CLASS}"))), folder)
