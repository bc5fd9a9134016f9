"""Audit files as tables: one row a record; `logits_0`, `logits_1`, ... are the classes of one array.

For shadow models the first number is the model: `shadow_losses_3`, `shadow_members_3`, `shadow_logits_3_0`.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .vocabulary import canonical, recognise

Arrays = dict[str, NDArray[Any]]
Index = tuple[int, ...]

_INDEXED = re.compile(r"(.+?)((?:_\d+)+)")
TRUE, FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")


def read_csv(path: Path) -> tuple[Arrays, list[str]]:
    """The arrays of a CSV file with a header. Raises InputError naming line and column of what is wrong."""
    import pyarrow as pa
    from pyarrow import csv as pacsv

    header = _header(path)
    places, notes = _places(header, path)
    kinds = {c: pa.string() if _is_text(n) else pa.float64() for n, by in places.items() for c in by.values()}
    options = pacsv.ConvertOptions(include_columns=list(kinds), column_types=kinds, null_values=[""])
    try:
        return _arrays(pacsv.read_csv(path, convert_options=options), places, path), notes
    except InputError:
        _name_bad_line(path, places)
        raise
    except (pa.ArrowException, UnicodeDecodeError) as error:
        _name_bad_line(path, places)
        raise InputError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None


def read_parquet(path: Path) -> tuple[Arrays, list[str]]:
    """The arrays of a parquet file; a column may also hold the list of a record's logits."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        places, notes = _places(file.schema_arrow.names, path)
        table = file.read(columns=[c for by_index in places.values() for c in by_index.values()])
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} is damaged or cut short: {str(error).splitlines()[0]}; write it again"
        ) from None
    return _arrays(table, places, path), notes


def _is_text(name: str) -> bool:
    return name.startswith("group") or name.endswith("members")


def _header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} must be UTF-8 text with a header line; {error}") from None


def _places(columns: Sequence[str], path: Path) -> tuple[dict[str, dict[Index, str]], list[str]]:
    """For each array of the contract its columns by their numbers: {"logits": {(0,): "logits_0", ...}}."""
    twice = {c for c in columns if list(columns).count(c) > 1}
    if twice:
        raise InputError(f"{path}: the column {min(twice)!r} is there twice; keep one of them")
    bases: dict[str, dict[Index, str]] = {}
    for column in columns:
        base, index = _split(column)
        bases.setdefault(base, {})[index] = column
    found, notes = recognise(bases, str(path))
    if "members" not in found:
        hint = "; separate the columns with commas" if len(columns) == 1 else ""
        raise InputError(f"{path} has no column 'members', got {', '.join(columns)[:200]}{hint}")
    places = {ours: bases[name] for ours, name in found.items()}
    for name, by_index in places.items():
        if name.startswith(("population", "shadow_population")):
            raise InputError(
                f"{path}: a table has one row a record, so {name} needs an npz or a folder of npy files"
            )
        _complete(name, by_index, path)
    return places, notes


def _split(column: str) -> tuple[str, Index]:
    match = _INDEXED.fullmatch(column)
    if match is None or canonical(match[1]) is None:
        return column, ()
    return match[1], tuple(int(i) for i in match[2].split("_")[1:])


def _complete(name: str, by_index: dict[Index, str], path: Path) -> None:
    """Raise InputError unless the numbers of the columns form a whole block."""
    depths = {len(index) for index in by_index}
    if len(depths) > 1:
        raise InputError(
            f"{path}: {', '.join(sorted(by_index.values())[:3])}, ... must all be numbered the same way"
        )
    for index in np.ndindex(*_block(by_index)):
        if index not in by_index:
            missing = "_".join([name, *map(str, index)])
            raise InputError(
                f"{path} has no column {missing!r}; number the columns of {name} from 0 without a gap"
            )


def _block(by_index: dict[Index, str]) -> Index:
    return tuple(max(axis) + 1 for axis in zip(*by_index, strict=True))


def _arrays(table: Any, places: dict[str, dict[Index, str]], path: Path) -> Arrays:
    if table.num_rows == 0:
        raise InputError(f"{path} has a header, but no records")
    arrays = {}
    for name, by_index in places.items():
        values = [
            _values(table.column(by_index[i]), by_index[i], name, path) for i in np.ndindex(*_block(by_index))
        ]
        stacked = np.stack(values).reshape(*_block(by_index), *values[0].shape)  # [(M,) (C,) N]
        last_is_class = name.endswith(("logits", "probs")) and values[0].ndim == 1 and _block(by_index)
        arrays[name] = np.moveaxis(stacked, -2, -1) if last_is_class else stacked
    return arrays


def _values(column: Any, label: str, name: str, path: Path) -> NDArray[Any]:
    import pyarrow as pa

    if column.null_count:
        row = column.is_null().to_numpy().argmax()
        raise InputError(
            f"{path}: the column {label!r} is empty in record {row}; fill it or leave the record out"
        )
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _rows(column, label, path)
    if name.startswith("group"):
        return np.asarray(column.to_numpy().astype(str))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return (
            _booleans(column.to_pylist(), label, path)
            if name.endswith("members")
            else column.to_numpy().astype(str)
        )
    values: NDArray[Any] = column.to_numpy()
    return values


def _rows(column: Any, label: str, path: Path) -> NDArray[Any]:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).unique().to_pylist()
    if len(lengths) != 1:
        raise InputError(
            f"{path}: the lists in {label!r} must have one length, got {min(lengths)} to {max(lengths)}"
        )
    rows: NDArray[Any] = pc.list_flatten(column).to_numpy().reshape(len(column), lengths[0])
    return rows


def _booleans(cells: Sequence[str], label: str, path: Path) -> NDArray[Any]:
    for row, cell in enumerate(cells):
        if not _is_boolean(cell):
            raise InputError(f"{path}: {label!r} must be true/false or 0/1, got {cell!r} in record {row}")
    return np.array([cell.lower() in TRUE for cell in cells])


def _name_bad_line(path: Path, places: dict[str, dict[Index, str]]) -> None:
    """Raise InputError for the first line of a CSV that does not fit; found by reading the file once more."""
    tests = {
        column: ("true/false or 0/1", _is_boolean) if name.endswith("members") else ("a number", _is_number)
        for name, by_index in places.items()
        if not name.startswith("group")
        for column in by_index.values()
    }
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        lines = csv.DictReader(file)
        for row in lines:
            where = f"{path}: line {lines.line_num}"
            if None in row or None in row.values():
                raise InputError(
                    f"{where} must have as many cells as the header, {len(lines.fieldnames or ())}"
                )
            for column, (what, good) in tests.items():
                if not good(row[column]):
                    raise InputError(f"{where}, column {column!r} must be {what}, got {row[column]!r}")


def _is_boolean(cell: str) -> bool:
    return cell.lower() in TRUE + FALSE


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
