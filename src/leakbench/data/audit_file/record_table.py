"""Tables as people have them, one record per row: CSV, parquet, a workbook, a data frame. Cells are read by column."""

import csv
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, require, unknown
from ...signals.types import Bools
from . import tables
from .containers import check_head, readable

MARKS = (",", ";", "\t", "|")  # that separate cells
SHOWN, LONGEST_NAME = 8, 50  # names in a message, and characters of one
LINES = 20  # that must have as many cells as the header, where several marks may separate them
ABSENT = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none"))  # cells without a value, in lower case
TEXTS, WORKBOOKS = (".csv", ".tsv", ".txt"), (".xlsx", ".xlsm", ".xls", ".ods")


@dataclass(frozen=True)
class Cells:
    """A column of texts.

    Args:
        distinct: The different texts, without white space around them; whole numbers without a fraction.
        codes: For each record [N] the place of its text in `distinct`.
    """

    distinct: list[str]
    codes: NDArray[np.intp]

    def where(self, texts: Sequence[str]) -> Bools:
        """The records [N] whose text is one of these."""
        return np.isin(self.codes, [i for i, text in enumerate(self.distinct) if text in texts])


@dataclass(frozen=True, eq=False)
class RecordTable:
    """A table with a name for each column.

    Args:
        names: The names of the columns; "1", "2", ... where the table has no header.
        columns: Their cells, Arrow arrays of text or of the types that the source has.
        place: The file that the table was read from, or "the table".
        decimal: The decimal mark, "." or ",".
    """

    names: tuple[str, ...]
    columns: tuple[Any, ...]
    place: str
    decimal: str = "."

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def of(self, records: Bools) -> "RecordTable":
        """These records [N] of the table."""
        import pyarrow as pa

        kept = pa.array(records)
        return replace(self, columns=tuple(column.filter(kept) for column in self.columns))

    def column(self, name: str) -> int:
        """The place of a column, whose name may differ in upper and lower case.

        Raises InputError for an unknown name, and for one that several columns have.
        """
        found = [i for i, own in enumerate(self.names) if own == name.strip()]
        found = found or [i for i, own in enumerate(self.names) if own.casefold() == name.strip().casefold()]
        if len(found) > 1:
            raise InputError(
                f"{self.place}: {len(found)} columns are called {name[:100]!r}; rename all but the one that you mean"
            )
        if not found:
            error = unknown(f"column of {self.place}:", name[:100], self.names)
            raise InputError(
                f"{error}; if its first line holds a record, write --no-header and count the columns from 1"
            )
        return found[0]

    def cells(self, i: int, required: bool = True) -> Cells:
        """The texts of a column. Raises InputError for an empty cell, if each is `required`."""
        import pyarrow as pa

        column = self.columns[i].combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_float16(column.type):
            column = column.cast(pa.float32())
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            raise self._wrong_type(i, "text or numbers")
        coded = column.dictionary_encode(null_encoding="encode")
        values = coded.dictionary.to_pylist()
        texts = ["" if value is None else plain(value, self.decimal) for value in values]
        distinct, place = np.unique(np.array(texts, dtype=np.str_), return_inverse=True)
        codes = place[coded.indices.to_numpy()]
        if required and distinct[0] == "":
            raise self._empty(i, int((codes == 0).argmax()))
        return Cells(distinct.tolist(), codes)

    def numbers(self, i: int) -> NDArray[np.float64]:
        """The numbers of a column [N]. Raises InputError for a cell that is empty or no number."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.columns[i]
        if _is_text(column.type):
            column = pc.utf8_trim_whitespace(column)
            pointed = column if self.decimal == "." else self._with_points(column, i)
            try:
                column = pointed.cast(pa.float64())
            except pa.ArrowInvalid:
                raise self._no_number(i, column) from None
        elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise self._wrong_type(i, "numbers")
        values = column.cast(pa.float64(), safe=False).to_numpy()
        if np.isnan(values).any():
            raise self._empty(i, int(np.isnan(values).argmax()))
        return np.asarray(values, np.float64)

    def _with_points(self, column: Any, i: int) -> Any:
        import pyarrow.compute as pc

        pointed = pc.match_substring(column, ".").to_numpy()
        if pointed.any():
            raise InputError(
                f"{self.place}: column {self.names[i]!r} must have the decimal mark ',' as --decimal says, got "
                f"{column[int(pointed.argmax())].as_py()[:100]!r}; write numbers without another mark, or leave "
                "--decimal out"
            )
        return pc.replace_substring(column, ",", ".")

    def _no_number(self, i: int, column: Any) -> InputError:
        """The error for the first cell that is no number."""
        mark = re.escape(self.decimal)
        number = re.compile(rf"[+-]?((\d+{mark}?\d*|{mark}\d+)(e[+-]?\d+)?|inf|infinity|nan)", re.I | re.A)
        cells = enumerate(column.fill_null("").to_pylist())
        place, cell = next((n, cell) for n, cell in cells if not number.fullmatch(cell))
        if cell.casefold() in ABSENT:
            return self._empty(i, place, cell)
        remedy = "correct the cell, or leave the record out"
        if self.decimal == "." and re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", cell):
            remedy = "if the comma is the decimal mark, write --decimal ,"
        elif re.fullmatch(r"[+-]?[\d.,' ]+%?", cell):
            remedy = "write plain numbers such as 0.25, without signs of percent and marks between thousands"
        elif not place and self.numbered:
            remedy = "if it names the column, leave --no-header out"
        return InputError(
            f"{self.place}: column {self.names[i]!r} must hold numbers, got {cell[:100]!r} in record {place}; {remedy}"
        )

    @cached_property
    def numbered(self) -> bool:
        """Whether the columns are called 1, 2, ..., as without a header."""
        return self.names == tuple(map(str, range(1, len(self.names) + 1)))

    def _wrong_type(self, i: int, what: str) -> InputError:
        kind = self.columns[i].type
        return InputError(
            f"{self.place}: column {self.names[i]!r} must hold {what}, got {kind}; write one column for each number"
        )

    def _empty(self, i: int, place: int, cell: str = "") -> InputError:
        got = f"got {cell!r}" if cell else "got an empty cell"
        return InputError(
            f"{self.place}: column {self.names[i]!r} must have a value in every row, {got} in record {place}; fill it "
            "or leave the record out"
        )


def shown(names: Sequence[str]) -> str:
    """The names in their order, without the middle of many.

    >>> shown(["b", "a"]), shown([f"p_{i}" for i in range(10)])
    ('b, a', 'p_0, p_1, p_2, ..., p_9 (10)')
    """
    short = [name[:LONGEST_NAME] for name in names]
    if len(short) > SHOWN:
        return f"{', '.join(short[:3])}, ..., {short[-1]} ({len(short)})"
    return ", ".join(short) or "none"


def listed(option: str, text: str) -> list[str]:
    """The items of a text with commas between them; quotes keep a comma within an item.

    >>> listed("probs", 'p_a, "p_b,c"')
    ['p_a', 'p_b,c']
    """
    try:
        return [item.strip() for item in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error as error:
        raise InputError(
            f"--{option} must be names with commas between them, got {text[:100]!r} ({error}); name the columns in "
            "a list, or rename them"
        ) from None


def plain(value: Any, decimal: str = ".") -> str:
    """A cell as text: 3, 3.0 and " 3 " are the same, and so are true, True and TRUE.

    >>> plain("3.0"), plain("007"), plain("0,5", ","), plain(True)
    ('3', '007', '0.5', 'true')
    """
    text = str(value).strip()
    if decimal == "," and re.fullmatch("[+-]?[0-9]+,[0-9]*", text):
        text = text.replace(",", ".")
    if re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text) and not re.match("[+-]?0[0-9]", text):
        return str(int(text.split(".")[0]))
    return text.lower() if text.lower() in ("true", "false") else text


def open_table(source: Any, header: bool, delimiter: str | None, decimal: str) -> RecordTable:
    """The table of a file, or of a data frame or a mapping of columns.

    Raises InputError for what is no table, is damaged, or holds no record.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        names, columns = _file(path, header, delimiter, decimal)
        place = str(path)
    else:
        place, (names, columns) = "the table", _frame(source)
    table = RecordTable(tuple(name.strip() for name in names), tuple(columns), place, decimal)
    table = _without_empty_rows(table) if len(table) else table
    if not len(table):
        raise InputError(f"{place} holds no records; write one row for each")
    return table


def _file(path: Path, header: bool, delimiter: str | None, decimal: str) -> tuple[list[str], list[Any]]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    suffix = "".join(suffixes[-2:] if packed else suffixes[-1:])
    if suffix in (".parquet", ".pq"):
        check_head(path, suffix)
        return _parquet(path)
    if suffix in WORKBOOKS:
        check_head(path, suffix)
        return _workbook(path, header)
    if suffix.removesuffix(".gz") in TEXTS:
        check_head(path, suffix)
        return _text(tables.unpacked(path) if packed else path.read_bytes(), path, header, delimiter, decimal)
    raise InputError(
        f"{path} must be a table to choose columns from: {', '.join((*TEXTS, '.parquet', *WORKBOOKS))}, got "
        f"{suffix or 'no suffix'!r}; in npz files and folders the arrays have the names of docs/audit-file.md"
    )


def _text(
    content: bytes, path: Path, header: bool, delimiter: str | None, decimal: str
) -> tuple[list[str], list[Any]]:
    import pyarrow as pa
    from pyarrow import csv as pacsv

    first, mark = _first_lines(content, path, delimiter, decimal)
    places = [f"f{i}" for i in range(len(first))]
    try:
        table = pacsv.read_csv(
            pa.BufferReader(content),
            read_options=pacsv.ReadOptions(autogenerate_column_names=True),
            parse_options=pacsv.ParseOptions(delimiter=mark, newlines_in_values=b'"' in content),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(places, pa.large_string())),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        tables.name_bad_line(content, mark, path, {})
        why = "its text must be UTF-8" if "UTF8" in str(error) else tables.first_line(error)
        raise InputError(f"{path} cannot be read as a table: {why}") from None
    columns = [column.slice(int(header)) for column in table.columns]
    return (first if header else [str(i + 1) for i in range(len(first))]), columns


def _first_lines(content: bytes, path: Path, delimiter: str | None, decimal: str) -> tuple[list[str], str]:
    """The cells of the first line, and the mark between them: the only one that splits the lines alike."""
    try:
        by_mark = {
            mark: list(islice(csv.reader(tables.lines(content), delimiter=mark), LINES))
            for mark in ([delimiter] if delimiter else MARKS)
            if mark != decimal
        }
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} must be UTF-8 text; {tables.first_line(error)}") from None
    splitting = {mark: lines for mark, lines in by_mark.items() if lines and len(lines[0]) > 1}
    if len(splitting) > 1:
        splitting = {
            mark: lines
            for mark, lines in splitting.items()
            if all(len(line) in (0, len(lines[0])) for line in lines)
        }
        if len(splitting) != 1:
            raise InputError(
                f"{path}: the first line may be separated by any of {' '.join(map(repr, by_mark))}; say by which, such "
                "as --delimiter ';'"
            )
    mark = next(iter(splitting), next(iter(by_mark)))
    return (by_mark[mark] or [[]])[0], mark


def _parquet(path: Path) -> tuple[list[str], list[Any]]:
    from pyarrow import parquet

    with tables.parquet_errors(path):
        table = tables.whole(parquet.ParquetFile(path), path)
    return table.column_names, table.columns


def _workbook(path: Path, header: bool) -> tuple[list[str], list[Any]]:
    """The cells of the only sheet of a workbook that has any, as text."""
    import pyarrow as pa

    require("python_calamine")
    from python_calamine import CalamineWorkbook

    with readable(path, "the workbook"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = sum(info.file_size for info in archive.infolist())
            tables.refuse_bomb(path, size, remedy="save it as CSV")
        with CalamineWorkbook.from_path(str(path)) as book:
            sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    filled = {name: rows for name, rows in sheets.items() if rows}
    if len(filled) != 1:
        raise InputError(
            f"{path} must have one sheet with cells, got {shown(list(filled))}; save the sheet of the records as CSV"
        )
    (rows,) = filled.values()
    width = max(map(len, rows))
    names = [str(cell) for cell in rows[0]] if header else [str(i + 1) for i in range(width)]
    return names, [
        pa.chunked_array([[str(row[i]) for row in rows[int(header) :]]], pa.large_string())
        for i in range(width)
    ]


def _frame(source: Any) -> tuple[list[str], list[Any]]:
    """The columns of a data frame of pandas, Polars, Arrow or with Arrow's stream, or of a mapping."""
    import pyarrow as pa

    try:
        table = tables.without_views(pa.table(source))
    except Exception as error:  # of many types, as each library has its own
        raise InputError(
            f"give a path, a data frame or a mapping of columns, got {type(source).__name__} "
            f"({tables.first_line(error)})"
        ) from None
    return table.column_names, table.columns


def _without_empty_rows(table: RecordTable) -> RecordTable:
    """The table without rows of which every cell is empty, as spreadsheets leave them at the end."""
    import pyarrow.compute as pc

    empty = np.ones(len(table), np.bool_)
    for column in table.columns:
        blank = pc.equal(pc.utf8_trim_whitespace(column), "") if _is_text(column.type) else pc.is_null(column)
        empty &= pc.fill_null(blank, True).to_numpy()
        if not empty.any():
            return table
    return table.of(~empty)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
