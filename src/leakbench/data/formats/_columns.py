"""Turns the cells of one column of a table into numbers, categories or labels. Other cells are refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...signals.types import Bools
from ..dataset import Indices
from ..labels import EXACT
from .base import Floats

MOST_TEXTS = 1000  # distinct texts in one column; more are names or identifiers, not categories
FEW_TEXTS = 20  # so many are categories in the smallest of tables
EMPTY = ""  # how a null, NaN and an empty cell are written in `missing`
ABSENT = ("", "NA", "N/A", "n/a", "#N/A", "#NA", "NaN", "nan", "-NaN", "-nan", "NULL", "null")
INFINITE = r"(?i)^[+-]?inf(inity)?$"
PLAIN = r"^-?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d+)?$"  # as most tables write a number: read at once
CODE = r"^[+-]?0\d+$"  # a leading zero: a postcode, not a number
DAY, TIME = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})", r"\d{1,2}:\d{2}(:\d{2}.*)?"
DATE = rf"^({DAY}([T ]{TIME}.*)?|{TIME})$"
MONEY = r"(%|[$€£¥]|EUR|USD|GBP|CHF)?"
DECORATED = rf"^[-+(]?\s*{MONEY}\s*[-+]?\d[\d.,' ]*\s*{MONEY}\)?$"  # 5%, $1,200, 1,5


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers [N], NaN where the value is missing."""

    values: Floats

    @property
    def imputed(self) -> bool:
        """Whether a value is missing, which one more feature says."""
        return bool(np.isnan(self.values).any())

    @property
    def numeric(self) -> Bools:
        """Which of the features are quantities, and which 0 or 1: [1 or 2]."""
        return np.array([True, False][: 1 + self.imputed])

    def features(self, rows: Indices) -> Floats:
        """The values, and beside them where one is missing: [n, 1 or 2]."""
        values = self.values[rows]
        parts = [values, np.isnan(values)] if self.imputed else [values]
        return np.asarray(np.column_stack(parts), np.float32)


@dataclass(frozen=True, eq=False)
class Categories:
    """A column of texts as codes [N] in 0..count-1, in alphabetical order, missing ones last."""

    codes: NDArray[np.intp]
    count: int
    imputed: ClassVar[bool] = False

    @property
    def numeric(self) -> Bools:
        """No feature is a quantity [count]."""
        return np.zeros(self.count, np.bool_)

    def features(self, rows: Indices) -> Floats:
        """0 and 1 for each distinct text [n, count]."""
        return np.asarray(self.codes[rows, None] == np.arange(self.count), np.float32)


@dataclass(frozen=True)
class Cells:
    """How the cells of one column are read."""

    path: Path
    name: str
    missing: tuple[str, ...] = ()
    decimal: str = "."
    categorical: bool = False

    def features(self, column: Any, notes: list[str]) -> Numbers | Categories:
        """Numbers or categories. Raises InputError that names the first cell that is neither."""
        values, missing = self._parsed(column, notes)
        if missing.all():
            raise self._error("must hold numbers or text, got no value at all", self._drop)
        if values.dtype.kind == "f":
            return Numbers(self._single(values, missing))
        distinct, codes = np.unique(values[~missing], return_inverse=True)
        self._refuse_identifiers(len(distinct), len(codes))
        placed = np.full(len(values), len(distinct))
        placed[~missing] = codes
        return Categories(placed, len(distinct) + bool(missing.any()))

    def labels(self, column: Any) -> NDArray[Any]:
        """Numbers or texts [N]; none may be missing."""
        values, missing = self._parsed(column, [])
        if missing.any():
            raise self._absent(
                int(missing.sum()), int(missing.argmax()), None, "leave out the records without"
            )
        if values.dtype.kind == "f" and np.abs(values).max() >= EXACT:
            raise self._error(f"must hold labels below {EXACT:.0f}", f"say categorical = [{self.name!r}]")
        return values

    def _parsed(self, column: Any, notes: list[str]) -> tuple[NDArray[Any], Bools]:
        """Values, float64 or text [N], and where one is missing [N]."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = column.type
        if pa.types.is_dictionary(kind):
            return self._texts(column.cast(kind.value_type).cast(pa.large_string()))
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self._cells(pc.utf8_trim_whitespace(column.cast(pa.large_string())), notes)
        numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
        if not any(is_kind(kind) for is_kind in numeric):
            raise self._error(f"must hold numbers or text, got {kind}", self._drop)
        if pa.types.is_boolean(kind):
            column = column.cast(pa.uint8())
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
        missing = np.isnan(values)
        if missing.any() and EMPTY not in self.missing:
            raise self._absent(int(missing.sum()), int(missing.argmax()), EMPTY)
        return (values.astype(np.str_) if self.categorical else values), missing

    def _cells(self, cells: Any, notes: list[str]) -> tuple[NDArray[Any], Bools]:
        """Values of trimmed text: numbers where all of them are, true and false as 1 and 0, else text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        told_number = self.categorical or any(re.match(PLAIN, text) for text in self.missing)
        if self.decimal == "." and not told_number and _matches(cells, PLAIN).all():
            return cells.cast(pa.float64()).to_numpy(), np.zeros(len(cells), np.bool_)
        cells = pc.fill_null(cells, EMPTY).combine_chunks()
        missing = _mask(pc.is_in(cells, value_set=pa.array(self.missing, pa.large_string())))
        where = np.flatnonzero(~missing)
        given = cells.filter(pa.array(~missing))
        numbers = _matches(given, self._number)
        if self.categorical or not len(given):
            return self._texts(cells)
        if numbers.all() and not (_matches(given, CODE).any() and _matches(given, r"^[+-]?\d+$").all()):
            return self._numbers(given, where, len(cells)), missing
        if _matches(given, r"(?i)^(true|false)$").all():
            values = np.full(len(cells), np.nan)
            values[where] = _matches(given, r"(?i)^true$")
            return values, missing
        if numbers.all():
            notes.append(
                f"the column {self.name!r} has numbers with leading zeros and was read as categories"
            )
            return self._texts(cells)
        self._refuse_strays(given, where, numbers)
        if numbers.any():
            notes.append(
                f"the column {self.name!r} holds numbers ({numbers.mean():.0%}) and text, and was read as categories"
            )
        return self._texts(cells)

    @property
    def _number(self) -> str:
        mark = re.escape(self.decimal)
        return rf"^[+-]?(\d+{mark}?\d*|{mark}\d+)([eE][+-]?\d+)?$"

    def _numbers(self, given: Any, where: Indices, n: int) -> NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        plain = pc.replace_substring(given, self.decimal, ".")
        values = np.full(n, np.nan)
        values[where] = pc.utf8_ltrim(plain, "+").cast(pa.float64()).to_numpy(zero_copy_only=False)
        return values

    def _texts(self, cells: Any) -> tuple[NDArray[Any], Bools]:
        import pyarrow.compute as pc

        texts = np.array(pc.fill_null(cells, EMPTY).to_pylist(), np.str_)
        missing = np.isin(texts, self.missing)
        if (untold := np.isin(texts, ABSENT) & ~missing).any():
            place = int(untold.argmax())
            raise self._absent(int(untold.sum()), place, str(texts[place]))
        return texts, missing

    def _refuse_strays(self, given: Any, where: Indices, numbers: Bools) -> None:
        """Raise InputError where most of the cells are numbers, or dates, and this one is not."""
        absent = np.isin(np.array(given.to_pylist(), np.str_), ABSENT) | _matches(given, INFINITE)
        stray = int((~numbers).argmax())
        cell = given[stray].as_py()
        if 2 * _matches(given, DATE).sum() > len(given):
            raise self._error(f"must hold numbers or text, got dates or times such as {cell!r}", self._drop)
        if 2 * (numbers | _matches(given, DECORATED)).sum() > len(given) - absent.sum():
            if absent[stray]:
                raise self._absent(int(absent.sum()), int(where[stray]), cell)
            others = int((~numbers).sum()) - 1
            raise self._error(
                f"must hold numbers, as most of its cells do, got {cell!r} in record {where[stray]}"
                + (f" and {others} more such cells" if others else ""),
                self._remedy(cell),
            )

    def _remedy(self, cell: str) -> str:
        category = f"categorical = [{self.name!r}] if it is a category"
        if not re.match(DECORATED, cell):
            marks = [*self.missing, cell]
            return f"correct it, or say missing = {marks} if it marks a missing value, or {category}"
        if "," in cell and self.decimal == ".":
            return (
                "say decimal = ',' if the comma is the decimal mark, else write the numbers without separators; "
                f"or say {category}"
            )
        return f"write plain numbers, without separators and units, or say {category}"

    @property
    def _drop(self) -> str:
        return f"convert it to numbers, or leave it out with drop = [{self.name!r}]"

    def _refuse_identifiers(self, distinct: int, n: int) -> None:
        if distinct > MOST_TEXTS:
            raise self._error(
                f"must have at most {MOST_TEXTS} distinct texts to be a category, got {distinct}", self._drop
            )
        if distinct > max(FEW_TEXTS, n // 2):
            raise self._error(
                f"must be a category, got {distinct} distinct texts in {n} records: an identifier", self._drop
            )

    def _single(self, values: NDArray[np.float64], missing: Bools) -> Floats:
        """Values in single precision. Raises InputError for what is infinite there."""
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        if (endless := ~np.isfinite(single) & ~missing).any():
            place = int(endless.argmax())
            raise self._error(
                f"must have a number or text in every row, got {int(endless.sum())} without: "
                f"{values[place]} in record {place} is not finite in single precision",
                "scale the column, or correct the cell",
            )
        return single

    def _absent(self, count: int, place: int, cell: str | None, remedy: str = "") -> InputError:
        shown = "" if cell is None else f", such as {cell!r}" if cell else ", such as an empty cell"
        advice = (
            remedy or f"fill it, leave the record out, or say missing = {[*self.missing, cell]} to impute"
        )
        return self._error(
            f"must have a number or text in every row, got {count} without{shown} in record {place}", advice
        )

    def _error(self, problem: str, remedy: str) -> InputError:
        return InputError(f"{self.path}: column {self.name!r} {problem}; {remedy}")


def _mask(array: Any) -> Bools:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)


def _matches(cells: Any, pattern: str) -> Bools:
    import pyarrow.compute as pc

    return _mask(pc.match_substring_regex(cells, pattern))


def joined(columns: Sequence[Numbers | Categories], rows: Indices) -> Floats:
    """The features of all columns, side by side [n, D]."""
    return np.concatenate([column.features(rows) for column in columns], axis=1)
