"""Readers: one file for each layout of files. Nothing that is read here can execute code."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.registry import Registry
from ._files import refuse_special
from .base import Format, Raw

FORMATS: Registry[Format] = Registry("format", "leakbench.data.formats", Format)

__all__ = ["FORMATS", "Format", "Raw", "find", "read_path"]


def read_path(
    path: Path, names: Iterable[str], label: str | None, options: Mapping[str, Any] | None = None
) -> Raw:
    """Reads `path` in the one format of `names` that fits it, with the format's `options`.

    Raises InputError if none or several do, and for options that the format does not have.
    """
    if not path.exists():
        raise InputError(f"{path} must be a file or a folder of data, got a path that is not there")
    refuse_special(path)
    candidates = [FORMATS.get(name)() for name in names]
    chosen = candidates[0] if len(candidates) == 1 else find(path, candidates)
    if label is not None and not chosen.has_columns:
        raise InputError(f"format {chosen.name!r} has no columns to choose from; leave label = {label!r} out")
    if options:
        chosen = FORMATS.make({"name": chosen.name, **options})
    return chosen.read(path, label)


def find(path: Path, candidates: Iterable[Format]) -> Format:
    """The only one of the formats that accepts `path`."""
    candidates = list(candidates)
    fitting = [format for format in candidates if format.accepts(path)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(format.name for format in fitting)
        raise InputError(
            f"{path} must have one layout, got what fits several: {names}; choose with format = ..."
        )
    known = "; ".join(f"{format.name} ({format.summary().rstrip('.')})" for format in candidates)
    raise InputError(f"{path} must have a known layout, got {_content(path)}; known: {known}")


def _content(path: Path) -> str:
    from ._files import describe_file

    if not path.is_dir():
        return describe_file(path)
    names = sorted(entry.name for entry in path.iterdir())
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"a folder with {shown}" if names else "an empty folder"
