"""What a known data set is: a name, and the formats in which people have its files."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ...errors import InputError
from ...registry import Plugin
from ..formats import Raw, read_path


class KnownSet(Plugin):
    """A data set that is asked for by name and lies in a folder of that name."""

    formats: ClassVar[tuple[str, ...]] = ()
    classes: ClassVar[tuple[str, ...] | None] = None  # for files that hold numbers only
    elsewhere: ClassVar[Path | None] = None  # where a system package puts it

    def read(self, root: Path | None, label: str | None) -> Raw:
        """What lies in the folder `root`/name. Raises InputError that says where it looked and what to do."""
        folder = self._folder(root)
        raw = read_path(folder, self.formats, label)
        if raw.classes is None and self.classes is not None and label is None:
            return replace(raw, classes=self.classes)
        return raw

    def _folder(self, root: Path | None) -> Path:
        wanted = [root / self.name] if root is not None else []
        wanted += [self.elsewhere] if self.elsewhere is not None else []
        for folder in wanted:
            if folder.is_dir():
                return folder
        looked = " and ".join(map(str, wanted)) or "no folder, as none is set"
        raise InputError(
            f"data set {self.name!r} must lie in a folder of that name, looked in {looked}; put its files "
            f"there ({', '.join(self.formats)}) and set LEAKBENCH_DATA, or root, to the folder around it"
        )
