"""The interface of known data sets: a name, the published files, and the formats that are read."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ...core.errors import InputError
from ...core.registry import Plugin
from ..formats import FORMATS, Raw, read_path


@dataclass(frozen=True)
class File:
    """A published file with its checksum."""

    name: str
    size: int = 0  # bytes
    checksum: str = ""  # "md5:..." or "sha256:..."; a file without is not downloaded


class KnownSet(Plugin):
    """A data set that is used by name and lies in a folder of that name."""

    formats: ClassVar[tuple[str, ...]] = ()
    home: ClassVar[str] = ""  # the address in front of its files' names
    files: ClassVar[tuple[File, ...]] = ()  # as published; none: it comes with a dependency
    classes: ClassVar[tuple[str, ...] | None] = None  # for files that hold numbers only
    elsewhere: ClassVar[Path | None] = None  # where a system package puts it
    mean: ClassVar[tuple[float, ...]] = ()  # of the training part, each channel; none: no normalisation
    std: ClassVar[tuple[float, ...]] = ()
    resize: ClassVar[int | None] = None  # what the field resizes its images to

    def read(self, root: Path | None, label: str | None) -> Raw:
        """The content of the folder `root`/name. Raises InputError with the searched places and the remedy."""
        place = self._place(root)
        raw = read_path(place, self._fitting(place), label)
        if raw.classes is None and self.classes is not None and label is None:
            return replace(raw, classes=self.classes)
        return raw

    @classmethod
    def lies_in(cls, folder: Path) -> bool:
        """Whether the folder holds the data set in one of its formats."""
        return folder.is_dir() and bool(cls._fitting(folder))

    @classmethod
    def instructions(cls, folder: str) -> str:
        """How to download the files manually."""
        names = ", ".join(file.name for file in cls.files)
        return f"put {names} (from {cls.home}) into {folder}"

    @classmethod
    def can_download(cls) -> bool:
        """Whether every file has a checksum that we are sure of."""
        return bool(cls.files) and all(file.checksum for file in cls.files)

    @classmethod
    def _fitting(cls, folder: Path) -> list[str]:
        """The first of the formats that the folder has, if any."""
        return [name for name in cls.formats if FORMATS.get(name)().accepts(folder)][:1]

    def _place(self, root: Path | None) -> Path:
        """The folder that holds the data set."""
        wanted = [root / name for name in (self.name, *self.variants)] if root is not None else []
        wanted += [self.elsewhere] if self.elsewhere is not None else []
        for folder in wanted:
            if self.lies_in(folder):
                return folder
        raise self._absent(root, wanted)

    def _absent(self, root: Path | None, wanted: Sequence[Path]) -> InputError:
        looked = " and ".join(map(str, wanted)) or "no folder, as none is set"
        offer = f"run leakbench download {self.name}, or " if self.can_download() else ""
        folder = Path("LEAKBENCH_DATA" if root is None else root) / self.name
        return InputError(
            f"data set {self.name!r} must lie in a folder of that name ({' or '.join(self.formats)}), looked in "
            f"{looked}; {offer}{self.instructions(str(folder))}, and set LEAKBENCH_DATA, or root, to the folder above"
        )


def data_folder(given: str | os.PathLike[str] | None) -> Path | None:
    """The folder around the known data sets: the given one, else what LEAKBENCH_DATA names, if anything."""
    folder = given or os.environ.get("LEAKBENCH_DATA")
    return Path(folder).expanduser() if folder else None
