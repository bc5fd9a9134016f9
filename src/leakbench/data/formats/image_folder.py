"""Images sorted into one folder a class."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ._images import decode, is_image
from .base import Format, Raw, join


@dataclass(frozen=True)
class ImageFolder(Format):
    """A folder with one sub-folder of images a class, perhaps under train/ and test/.

    Hidden files, and folders other than train and test beside these two, are left alone.
    """

    name: ClassVar[str] = "image_folder"
    source: ClassVar[str] = "the layout of torchvision's ImageFolder"

    def accepts(self, path: Path) -> bool:
        if not path.is_dir() or any(entry.suffix.lower() == ".csv" for entry in path.iterdir()):
            return False
        return any(is_image(entry.name) for entry in _inside(path / "train" if _has_parts(path) else path))

    def read(self, path: Path, label: str | None = None) -> Raw:
        folders = [path / "train", path / "test"] if _has_parts(path) else [path]
        listed = [_files(folder) for folder in folders]
        files = [file for part in listed for file, _ in part]
        if not files:
            raise InputError(f"{path} must hold one folder of images a class, got no image in any sub-folder")
        labels = np.array([name for part in listed for _, name in part])
        test = join(len(listed[0]), len(files) - len(listed[0]))
        return Raw(labels, lambda rows: decode([(str(files[i]), files[i]) for i in rows]), test)


def _has_parts(path: Path) -> bool:
    return (path / "train").is_dir() and (path / "test").is_dir()


def _inside(path: Path) -> list[Path]:
    """The files in the sub-folders of `path`, at any depth."""
    files = sorted(entry for entry in path.glob("*/**/*") if entry.is_file())
    return [
        file for file in files if not any(p.startswith((".", "__")) for p in file.relative_to(path).parts)
    ]


def _files(path: Path) -> list[tuple[Path, str]]:
    """Every image with its class, the name of the first folder below `path`."""
    return [(file, file.relative_to(path).parts[0]) for file in _inside(path) if is_image(file.name)]
