"""Audit files as tables: one row per record; `logits_0`, `logits_1`, ... are the classes of one array.

For shadow models the first number is the model: `shadow_losses_3`, `shadow_members_3`, `shadow_logits_3_0`.
"""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .names import TEXTS, canonical, listed, recognise

Arrays = dict[str, NDArray[Any]]
Index = tuple[int, ...]

_INDEXED = re.compile(r"(.+?)((?:_[0-9]+){1,3})")  # bounded, as a name may be megabytes long
MOST_DIGITS = 6  # of the number of a column
LONGEST_HEADER = 2**24  # characters
LONGEST_TEXT = 1000  # characters; an array of text holds as many for each record as the longest has
CHOOSE = "; say which columns hold what, such as --members split=train --labels diagnosis --probs 'p_*'"
MOST_EXPANSION, ALWAYS_ROOM = 10, 2**26  # a file may hold so many times its size, and so many bytes anyway
TRUE, FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")


def read_csv(path: Path) -> tuple[Arrays, list[str]]:
    """The arrays of a CSV file with a header, separated by commas, or else by tabs or semicolons; also of one in gzip.

    Raises InputError naming line and column of what is wrong.
    """
    import pyarrow as pa
    from pyarrow import csv as pacsv

    content = unpacked(path) if path.suffix.lower() == ".gz" else path.read_bytes()
    header, separator = _header(content, path)
    places, notes = _places(header, path)
    kinds = {c: pa.string() if _is_text(n) else pa.float64() for n, by in places.items() for c in by.values()}
    types = {
        c: kind for c, kind in kinds.items() if not c.startswith("feature")
    }  # those of features are inferred
    convert = pacsv.ConvertOptions(include_columns=list(kinds), column_types=types, null_values=[""])
    parse = pacsv.ParseOptions(delimiter=separator)
    try:
        table = pacsv.read_csv(pa.BufferReader(content), convert_options=convert, parse_options=parse)
        return _arrays(table, places, path), notes
    except InputError:
        name_bad_line(content, separator, path, places)
        raise
    except (pa.ArrowException, UnicodeDecodeError) as error:
        name_bad_line(content, separator, path, places)
        raise InputError(f"{path} cannot be read as a table: {first_line(error)}") from None


def read_parquet(path: Path) -> tuple[Arrays, list[str]]:
    """The arrays of a parquet file; a column may also hold the list of a record's logits."""
    from pyarrow import parquet

    with parquet_errors(path):
        file = parquet.ParquetFile(path)
        types = {field.name: field.type for field in file.schema_arrow}
        names = file.schema_arrow.names
    places, notes = _places(names, path)
    columns = [c for by_index in places.values() for c in by_index.values()]
    for column in columns:
        _check_type(types[column], column, path)
    with parquet_errors(path):
        table = whole(file, path, columns)
    return _arrays(table, places, path), notes


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turn the exceptions of Arrow on a damaged file, of many types, into one InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} is damaged or cut short: {first_line(error)}; write it again") from None


def whole(file: Any, path: Path, columns: Sequence[str] | None = None, times: int = MOST_EXPANSION) -> Any:
    """The table of a `ParquetFile`, or of some of its columns, which may expand to so many `times` its size.

    Raises InputError for a file that expands to more, an exception of Arrow for a damaged one.
    """
    for group in range(file.num_row_groups):  # raises for a damaged footer, which would end the process below
        next(file.iter_batches(1, row_groups=[group], columns=columns), None)
    groups = [file.metadata.row_group(g) for g in range(file.num_row_groups)]
    chunks = [group.column(c) for group in groups for c in range(group.num_columns)]
    names = set(file.schema_arrow.names if columns is None else columns)
    refuse_bomb(path, sum(8 * c.num_values for c in chunks if c.path_in_schema.split(".")[0] in names), times)
    table = file.read(columns=columns)
    table.validate(full=True)  # a text that is none, an offset beyond its end
    return table


def _check_type(kind: Any, column: str, path: Path) -> None:
    """Raise InputError unless a column is of numbers, truth values or text, or of lists of numbers."""
    import pyarrow as pa

    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    inner = kind.value_type if is_list or pa.types.is_dictionary(kind) else kind
    is_number = pa.types.is_integer(inner) or pa.types.is_floating(inner)
    is_text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    if not (is_number or (not is_list and (is_text or pa.types.is_boolean(inner)))):
        raise InputError(
            f"{path}: the column {column!r} must hold numbers, true/false or text, or lists of numbers, got {kind}"
        )


def refuse_bomb(
    path: Path, size: int, times: int = MOST_EXPANSION, remedy: str = "save a folder of .npy files instead"
) -> None:
    """Raise InputError if a file expands to so many bytes `size` that it may be an attack on the memory."""
    if size > times * path.stat().st_size + ALWAYS_ROOM:
        raise InputError(
            f"{path} expands to more than {times} times its size and {ALWAYS_ROOM >> 20} MB; {remedy}"
        )


def without_views(table: Any) -> Any:
    """The Arrow table with text that Polars gives as views in a type that Arrow computes on."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if "_view" in str(field.type):
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            plain = pa.large_string() if pa.types.is_string_view(kind) else None
            table = table.set_column(i, field.name, pa.array(table.column(i).to_pylist(), plain))
    return table


def first_line(error: Exception) -> str:
    """The first line of the message of an exception, or else its name."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def unpacked(path: Path) -> bytes:
    """The content of a gzip file, within the limit of `refuse_bomb`."""
    most = MOST_EXPANSION * path.stat().st_size + ALWAYS_ROOM
    try:
        with gzip.open(path) as file:
            content = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut short: {first_line(error)}; write it again") from None
    refuse_bomb(path, len(content), remedy="unpack it with gunzip")
    return content


def _is_text(name: str) -> bool:
    return name.startswith(TEXTS) or name.endswith("members")


def _header(content: bytes, path: Path) -> tuple[list[str], str]:
    """The names of the columns, and their separator."""
    try:
        with lines(content) as file:
            first = file.readline(LONGEST_HEADER)
        separator = next((mark for mark in (",", "\t", ";") if mark in first), ",")
        with lines(content) as file:
            names = next(csv.reader(file, delimiter=separator), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} must be UTF-8 text with a header line; {first_line(error)}") from None
    if names and all(_is_number(name) for name in names):
        raise InputError(
            f"{path} has no header line, it begins with {listed(names)}; "
            "put a first line before it that names the columns, such as probs_0,probs_1,label,member"
        )
    return names, separator


def lines(content: bytes, errors: str = "strict") -> io.TextIOWrapper:
    """The text of a file in UTF-8, with or without a byte order mark."""
    return io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", errors, newline="")


def _places(columns: Sequence[str], path: Path) -> tuple[dict[str, dict[Index, str]], list[str]]:
    """For each array of the audit file its columns by their numbers: {"logits": {(0,): "logits_0", ...}}."""
    twice = [column for column, times in Counter(columns).items() if times > 1]
    if twice:
        raise InputError(f"{path}: the column {min(twice)[:100]!r} is there twice; keep one of them")
    bases: dict[str, dict[Index, str]] = {}
    for column in columns:
        base, index = _split(column, path)
        bases.setdefault(base, {})[index] = column
    found, notes = recognise(bases, str(path))
    if "members" not in found:
        hint = "; separate the columns with commas" if len(columns) == 1 else ""
        raise InputError(f"{path} has no column 'members', got {listed(columns)}{hint or CHOOSE}")
    places = {ours: bases[name] for ours, name in found.items()}
    for name, by_index in places.items():
        if name.startswith(("population", "shadow_population")):
            raise InputError(
                f"{path}: a table has one row per record, so {name} needs an npz or a folder of npy files"
            )
        _complete(name, by_index, path)
    return places, notes


def _split(column: str, path: Path) -> tuple[str, Index]:
    match = _INDEXED.fullmatch(column)
    if match is None or canonical(match[1]) is None:
        return column, ()
    numbers = match[2].split("_")[1:]
    if max(map(len, numbers)) > MOST_DIGITS:
        raise InputError(
            f"{path}: the column {column[:100]!r} has too large a number; number the columns from 0"
        )
    return match[1], tuple(map(int, numbers))


def _complete(name: str, by_index: dict[Index, str], path: Path) -> None:
    """Raise InputError unless the numbers of the columns form a whole block."""
    depths = {len(index) for index in by_index}
    if len(depths) > 1:
        raise InputError(
            f"{path}: {', '.join(sorted(by_index.values())[:3])}, ... must all be numbered the same way"
        )
    for index in np.ndindex(*_block(by_index)):  # ends with the first that is missing
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
        if name == "features":
            values = _of_one_kind(values)
        if len({(value.shape, value.dtype.kind) for value in values}) > 1:
            raise InputError(f"{path}: the columns of {name} must all be of one type")
        stacked = np.stack(values).reshape(*_block(by_index), *values[0].shape)  # [(M,) (C,) N]
        last_is_class = (
            name.endswith(("logits", "probs", "features")) and values[0].ndim == 1 and _block(by_index)
        )
        arrays[name] = np.moveaxis(stacked, -2, -1) if last_is_class else stacked
    return arrays


def _of_one_kind(columns: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Numbers and truth values as float64 (times in seconds), or all columns as text if one is."""
    columns = [c.astype("datetime64[s]").astype(np.int64) if c.dtype.kind == "M" else c for c in columns]
    return [
        c.astype(str if any(other.dtype.kind == "U" for other in columns) else np.float64) for c in columns
    ]


def _values(column: Any, label: str, name: str, path: Path) -> NDArray[Any]:
    import pyarrow as pa

    if column.null_count and name not in ("features", "canary"):
        row = column.is_null().to_numpy().argmax()
        raise InputError(
            f"{path}: the column {label!r} is empty in record {row}; fill it or leave the record out"
        )
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _rows(column, label, path)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _texts([cell or "" for cell in column.to_pylist()], label, name, path)
    values: NDArray[Any] = column.to_numpy()
    return values.astype(str) if name.startswith(TEXTS) else values


def _rows(column: Any, label: str, path: Path) -> NDArray[Any]:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).unique().to_pylist()
    if len(lengths) != 1:
        raise InputError(
            f"{path}: the lists in {label!r} must have one length, got {min(lengths)} to {max(lengths)}"
        )
    flat = pc.list_flatten(column)
    if flat.null_count:
        record = flat.is_null().to_numpy().argmax() // lengths[0]
        raise InputError(f"{path}: a list in {label!r} has an empty place in record {record}; fill it")
    rows: NDArray[Any] = flat.to_numpy().reshape(len(column), lengths[0])
    return rows


def _texts(cells: Sequence[str], label: str, name: str, path: Path) -> NDArray[Any]:
    if name.endswith("members"):
        return _booleans(cells, label, path)
    longest = max(map(len, cells))
    if longest > LONGEST_TEXT:
        raise InputError(
            f"{path}: {label!r} must hold texts of at most {LONGEST_TEXT} characters, got one of {longest}"
        )
    return np.array(cells)


def _booleans(cells: Sequence[str], label: str, path: Path) -> NDArray[Any]:
    for row, cell in enumerate(cells):
        if not _is_boolean(cell):
            raise InputError(
                f"{path}: {label!r} must be true/false or 0/1, got {cell[:100]!r} in record {row}{CHOOSE}"
            )
    return np.array([cell.lower() in TRUE for cell in cells])


def name_bad_line(content: bytes, separator: str, path: Path, places: dict[str, dict[Index, str]]) -> None:
    """Raise InputError for the first line of a CSV that does not fit; found by reading the file once more."""
    tests = {
        column: ("true/false or 0/1", _is_boolean) if name.endswith("members") else ("a number", _is_number)
        for name, by_index in places.items()
        if not name.startswith((*TEXTS, "feature"))
        for column in by_index.values()
    }
    with lines(content, "replace") as file:
        rows = csv.DictReader(file, delimiter=separator)
        try:
            for row in rows:
                _check_line(row, f"{path}: line {rows.line_num}", tests)
        except csv.Error as error:
            raise InputError(f"{path}: line {rows.line_num} cannot be read: {first_line(error)}") from None


def _check_line(
    row: dict[str, str], where: str, tests: Mapping[str, tuple[str, Callable[[str], bool]]]
) -> None:
    if None in row or None in row.values():
        columns = len(row) - (None in row)
        raise InputError(f"{where} must have as many cells as the header, {columns}")
    for column, (what, good) in tests.items():
        if not good(row[column]):
            remedy = CHOOSE if good is _is_boolean else ""
            raise InputError(f"{where}, column {column!r} must be {what}, got {row[column][:100]!r}{remedy}")


def _is_boolean(cell: str) -> bool:
    return cell.lower() in TRUE + FALSE


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
