"""Tables with a column of labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ._columns import joined
from ._files import reading
from ._tables import Table, TableOptions, feature_columns, label_column, read_csv, read_parquet
from .base import Format, Raw
from .image_csv import ImageCsv
from .image_parquet import ImageParquet


@dataclass(frozen=True)
class TableFile(TableOptions, Format):
    """A CSV (also .csv.gz) or parquet file with a header, a label column, and numbers or categories.

    A column of numbers is taken as it is, and the networks see it standardised, by the mean and standard deviation of
    the records outside the test part. Text becomes one column of 0 and 1 for each distinct text, in alphabetical
    order; so do numbers with leading zeros, a parquet dictionary, and the columns of `categorical`. Spaces around a
    cell do not count. A column whose cells are mostly numbers is refused where one is not, and the cell is named;
    `missing`, `decimal`, `delimiter`, `categorical` and `drop` in the study's `[data]` say how it is meant:

        missing = ["?", ""]    # marks of a missing value; "" is an empty cell, a null or NaN
        decimal = ","          # the decimal mark, in place of "."
        delimiter = ";"        # between the cells of a CSV, in place of ","
        categorical = ["code"] # columns that are categories, though they hold numbers
        drop = ["name"]        # columns that are left out

    A missing number is imputed with the median of the records outside the test part, and one more column says where
    it was missing. A missing text is a category of its own. The median and the standardisation are the same for all
    models, whatever their members are, so that they do not depend on membership. A nameless column, `Unnamed: 0`,
    `index`, `id` or the like with another value in nearly each record is left out, with a note.
    """

    name: ClassVar[str] = "table"
    source: ClassVar[str] = "CSV as in RFC 4180; Apache Parquet"
    has_columns: ClassVar[bool] = True

    def accepts(self, path: Path) -> bool:
        if not path.is_file() or not path.name.lower().endswith((".csv", ".csv.gz", ".tsv", ".parquet")):
            return False
        return not ImageParquet().accepts(path) and not ImageCsv().accepts(path)

    def read(self, path: Path, label: str | None = None) -> Raw:
        is_parquet = path.suffix.lower() == ".parquet"
        table = read_parquet(path) if is_parquet else read_csv(path, delimiter=self.delimiter)
        return raw_table(table, label, self, path)


def raw_table(table: Table, label: str | None, options: TableOptions, path: Path, test: int = 0) -> Raw:
    """The records of a table, the last `test` of which are a test part."""
    notes: list[str] = []
    with reading(path, "a table of numbers and text"):
        chosen = label_column(table, label, path)
        names = feature_columns(table, chosen, options, path, notes)
        labels = options.cells(path, chosen).labels(table[chosen])
        columns = [options.cells(path, name).features(table[name], notes) for name in names]
    if imputed := [name for name, column in zip(names, columns, strict=True) if column.imputed]:
        notes.append(
            f"missing numbers were imputed with the median outside the test part: {', '.join(imputed)}"
        )
    return Raw(
        labels,
        lambda rows: joined(columns, rows),
        np.arange(len(labels)) >= len(labels) - test,
        numeric=np.concatenate([column.numeric for column in columns]),
        notes=tuple(notes),
    )
