"""Images beside a CSV that says which file has which label."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...core.errors import InputError
from ._images import decode, is_image
from ._tables import TableOptions, label_column, read_csv
from .base import Format, Raw


@dataclass(frozen=True)
class ImageCsv(Format):
    """A CSV of image file names and labels with the images below its folder (or that folder)."""

    name: ClassVar[str] = "image_csv"
    source: ClassVar[str] = "SynthShield's img_label_*.csv; the usual layout of image competitions"
    has_columns: ClassVar[bool] = True

    def accepts(self, path: Path) -> bool:
        files = _csvs(path) if path.is_dir() else [path] if path.suffix.lower() == ".csv" else []
        return any(_first_image(file) for file in files)

    def read(self, path: Path, label: str | None = None) -> Raw:
        csv = _only_csv(path) if path.is_dir() else path
        table = read_csv(csv, header=_first_image(csv) != 1)
        columns = [name for name in table.column_names if _names_images(table[name])]
        if len(columns) != 1:
            got = ", ".join(columns) or f"none among {', '.join(table.column_names)}"
            raise InputError(f"{csv} must have one column of image file names, got {got}")
        others = [name for name in table.column_names if name != columns[0]]
        column = others[0] if len(others) == 1 and label is None else label_column(table, label, csv)
        y = TableOptions().cells(csv, column).labels(table[column])
        files = _locate(csv.parent, table[columns[0]].to_pylist(), csv)
        none = np.zeros(len(files), dtype=np.bool_)
        return Raw(y, lambda rows: decode([(str(files[i]), files[i]) for i in rows]), none)


def _csvs(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.suffix.lower() == ".csv")


def _only_csv(folder: Path) -> Path:
    files = [file for file in _csvs(folder) if _first_image(file)]
    if len(files) != 1:
        got = ", ".join(file.name for file in files) or "none"
        raise InputError(
            f"{folder} must hold one CSV of image file names and labels, got {got}; give its path"
        )
    return files[0]


def _first_image(csv: Path) -> int:
    """The line, 1 or 2, on which an image is named first; 0 if it is neither."""
    with csv.open(encoding="utf-8", errors="replace") as file:
        lines = [file.readline(4096) for _ in range(2)]
    for number, line in enumerate(lines, 1):
        if any(is_image(cell.strip().strip("\"'")) for cell in line.split(",")):
            return number
    return 0


def _names_images(column: Any) -> bool:
    first = column[0].as_py()
    return isinstance(first, str) and is_image(first)


def _locate(folder: Path, names: list[str], csv: Path) -> list[Path]:
    """Where each image lies: at its name from the CSV's folder, else the only file of that name below it."""
    below: dict[str, list[Path]] = {}
    files = []
    for name in names:
        if not name:
            raise InputError(f"{csv} must name an image in every line, got an empty name")
        file = folder / name
        if not file.is_file():
            if not below:
                for entry in folder.rglob("*"):
                    below.setdefault(entry.name, []).append(entry)
            places = below.get(Path(name).name, [])
            if len(places) != 1:
                got = "no such file" if not places else f"{len(places)} files of that name"
                raise InputError(f"{csv} must name images below {folder}, got {got} for {name!r}")
            file = places[0]
        files.append(file)
    return files
