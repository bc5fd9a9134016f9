"""Reading CSV and parquet tables, and finding the column of labels."""

from pathlib import Path
from typing import Any, TypeAlias

from ...errors import InputError
from ._files import reading

Table: TypeAlias = Any  # pyarrow.Table, which has no type stubs
LABELS = ("label", "class", "target", "y")
PANDAS_INDEX = "__index_level_"  # how pandas saves row names: an identifier, no feature


def read_csv(path: Path, header: bool = True) -> Table:
    """A CSV (also .csv.gz) as a pyarrow table; an empty cell is a missing value.

    Without a header, columns are named f0, f1, ...
    """
    from pyarrow import csv

    with reading(path, "a CSV table"):
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(autogenerate_column_names=not header),
            convert_options=csv.ConvertOptions(strings_can_be_null=True),
        )
        return _checked(table.rename_columns([name.strip() for name in table.column_names]), path)


def read_parquet(path: Path) -> Table:
    """A parquet file as a pyarrow table."""
    import pyarrow.parquet as pq

    with reading(path, "a parquet table"):
        table = pq.read_table(path)
    kept = [name for name in table.column_names if not name.startswith(PANDAS_INDEX)]
    return _checked(table.select(kept), path)


def _checked(table: Table, path: Path) -> Table:
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path} must have columns of different names, got {twice[0]!r} more than once")
    if not table.num_rows:
        raise InputError(f"{path} must have at least one record, got none")
    return table


def label_column(table: Table, given: str | None, path: Path) -> str:
    """The column that `given` names, or else the only one named label, class, target or y (in any case)."""
    names: list[str] = table.column_names
    if given is not None:
        if given not in names:
            raise InputError(f"{path} must have the label column {given!r}, got {_some(names)}")
        return given
    found = [name for name in names if name.lower() in LABELS]
    if len(found) != 1:
        got = f"{_some(found)}" if found else f"none of them among {_some(names)}"
        raise InputError(
            f"{path} must have one column of {', '.join(LABELS)}, got {got}; name it with label = ..."
        )
    return found[0]


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f", ... ({len(names)} columns)" if len(names) > 8 else "")
