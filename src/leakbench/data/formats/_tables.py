"""Reading CSV and parquet tables, and finding the columns of labels and of row numbers."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ...core.errors import InputError, unknown
from ..audit_file.tables import unpacked, whole
from ._columns import Cells
from ._files import EXPANSION, reading

Table: TypeAlias = Any  # pyarrow.Table, which has no type stubs
LABELS = ("label", "class", "target", "y")
INDEX = re.compile(
    r"(?i:|unnamed: \d+|__index_level_\d+__|index|(.*[ _.-])?id|row[ _.-]?(names?|no|num|number|index)?)|.*[a-z]I[dD]"
)
FRACTION = re.compile(r"[-+]?\d*[.,](?!0+$)\d+([eE].*)?")
MANY = 100  # records that a feature hardly counts by chance
NAMING = 0.9  # distinct values a record from which on a column called id or the like names records


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How the cells of a table are read.

    Args:
        missing: Text that marks a missing value, or several; "" stands for an empty cell, a null and NaN. A missing
            number is imputed with the median of the records outside the test part, and a column of 0 and 1 says
            where; a missing text is a category of its own.
        decimal: The decimal mark, "." or ",".
        delimiter: The character between the cells of a CSV.
        categorical: Columns that are categories, though they hold numbers.
        drop: Columns that are left out.
    """

    missing: str | tuple[str, ...] = ()  # texts that mean a missing value
    decimal: str = "."  # decimal sign
    delimiter: str = ","  # column separator
    categorical: tuple[str, ...] = ()  # columns to treat as categories
    drop: tuple[str, ...] = ()  # columns to leave out

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "missing", (self.missing,) if isinstance(self.missing, str) else self.missing
        )
        if self.decimal not in (".", ","):
            raise InputError(f"decimal must be '.' or ',', got {self.decimal!r}")
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '\r\n"':
            raise InputError(f"delimiter must be one character, such as ';', got {self.delimiter!r}")

    def cells(self, path: Path, column: str) -> Cells:
        """How the cells of this column are read."""
        return Cells(path, column, tuple(self.missing), self.decimal, column in self.categorical)


def read_csv(path: Path, header: bool = True, delimiter: str = ",", skip: int = 0) -> Table:
    """A CSV (also .csv.gz) as a pyarrow table of text, after `skip` lines.

    Without a header, columns are named f0, f1, ...
    """
    import pyarrow as pa
    from pyarrow import csv

    with reading(path, "a CSV table"):
        layout = {
            "read_options": csv.ReadOptions(autogenerate_column_names=True, skip_rows=skip),
            "parse_options": csv.ParseOptions(delimiter=delimiter),
        }
        content = pa.py_buffer(unpacked(path)) if path.name.lower().endswith(".gz") else None
        with csv.open_csv(path if content is None else pa.BufferReader(content), **layout) as reader:
            names = reader.schema.names
        texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string()))
        table = csv.read_csv(
            path if content is None else pa.BufferReader(content), convert_options=texts, **layout
        )
        if not header:
            return _checked(table, path)
        named = [column[0].as_py().strip() for column in table.columns]
        return _checked(table.slice(1).rename_columns(named), path)


def read_parquet(path: Path) -> Table:
    """A parquet file as a pyarrow table."""
    import pyarrow.parquet as pq

    with reading(path, "a parquet table"):
        return _checked(whole(pq.ParquetFile(path), path, times=EXPANSION), path)


def _checked(table: Table, path: Path) -> Table:
    names = table.column_names
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
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
        other = next((mark for mark in ";\t|" if len(names) == 1 and mark in names[0]), None)
        got = f"{_some(found)}" if found else f"none of them among {_some(names)}"
        remedy = f"say delimiter = {other!r}" if other else "name it with label = ..."
        raise InputError(f"{path} must have one column of {', '.join(LABELS)}, got {got}; {remedy}")
    return found[0]


def feature_columns(
    table: Table, label: str, options: TableOptions, path: Path, notes: list[str]
) -> list[str]:
    """All columns but the labels, those to drop, and row numbers or names, which are noted."""
    names: list[str] = table.column_names
    for name in (*options.drop, *options.categorical):
        if name not in names:
            raise unknown(f"column of {path}:", name, names)
    kept = []
    for place, name in enumerate(names):
        if name == label or name in options.drop:
            continue
        if not _is_index(table[place], place, name, path):
            kept.append(name)
            if _counts(table[place]):
                notes.append(
                    f"the column {name!r} counts the records in their order and is a feature; "
                    f"if it is a row number, leave it out with drop = [{name!r}]"
                )
            continue
        notes.append(f"the column {name!r} was left out: it numbers or names the records")
    if not kept:
        raise InputError(f"{path} must have columns beside {label!r}, got none")
    return kept


def _is_index(column: Any, place: int, name: str, path: Path) -> bool:
    """Whether a column names the records, or counts them; a column without a name may also be without any cell.

    It does so if it is called index, id or the like and has another whole number or text in nearly each record, or if
    it is the first one and counts many records from 0 or 1.
    """
    import pyarrow as pa

    if (place and not INDEX.fullmatch(name)) or pa.types.is_nested(column.type):
        return False
    if not place and _counts(column):
        return True
    if not INDEX.fullmatch(name):
        return False
    cells = _texts(column)
    distinct = set(cells)
    if name == "" and 1 < len(distinct) < len(cells):
        raise InputError(f"{path} must name every column in its header, got one without a name; name it")
    fractions = any(FRACTION.fullmatch(cell) for cell in distinct)
    named = len(distinct) > max(1, NAMING * len(cells)) and not fractions
    return named or (name == "" and distinct == {""})


def _counts(column: Any) -> bool:
    """Whether a column counts many records from 0 or 1, in their order."""
    import pyarrow as pa

    n, kind = len(column), column.type
    readable = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
    if n < MANY or not readable or _texts(column.slice(0, 2)) not in (["0", "1"], ["1", "2"]):
        return False
    cells = _texts(column)
    return cells == list(map(str, range(int(cells[0]), int(cells[0]) + n)))


def _texts(column: Any) -> list[str]:
    import pyarrow as pa

    return ["" if text is None else text.strip() for text in column.cast(pa.large_string()).to_pylist()]


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f", ... ({len(names)} columns)" if len(names) > 8 else "")
