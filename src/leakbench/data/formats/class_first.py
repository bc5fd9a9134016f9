"""Location-30 and Purchase-100 as published with Shokri et al. 2017: a CSV of bits, class first."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ._bits import read_bits
from ._files import is_archive, reading, streams
from .base import Format, Raw

FILES = ("bangkok", "dataset_purchase")  # the names inside the archives of Location-30 and of Purchase-100
ARCHIVES = ("dataset_location.tgz", "dataset_purchase.tgz")


@dataclass(frozen=True)
class ClassFirst(Format):
    """dataset_location.tgz or dataset_purchase.tgz, or unpacked: CSV, no header, class first, then bits."""

    name: ClassVar[str] = "class_first"
    source: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820, the published data"

    def accepts(self, path: Path) -> bool:
        if path.is_dir():
            return len(_known(path)) > 0
        return path.name in (*FILES, *ARCHIVES)

    def read(self, path: Path, label: str | None = None) -> Raw:
        place = path
        if path.is_dir():
            known = _known(path)
            if not known:
                raise InputError(
                    f"{path} must hold one of {', '.join((*ARCHIVES, *FILES))}, got none of them"
                )
            place = known[0]
        with reading(place, "a CSV without header, class first, then bits (or a tgz of one)"):
            if is_archive(place):
                tables = [read_bits(file, class_first=True) for _, file in streams(place)]
                if len(tables) != 1:
                    raise ValueError(f"an archive of {len(tables)} files")
                y, x = tables[0]
            else:
                with place.open("rb") as file:
                    y, x = read_bits(file, class_first=True)
        none = np.zeros(len(y), dtype=np.bool_)
        return Raw(y, lambda rows: x[rows].astype(np.float32), none)


def _known(folder: Path) -> list[Path]:
    """The published file in `folder`; unpacked before packed."""
    return [folder / name for name in (*FILES, *ARCHIVES) if (folder / name).is_file()]
