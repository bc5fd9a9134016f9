"""Adult, the census income data: a training and a test file whose rows have a space after each comma."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ._files import reading
from ._tables import Table, TableOptions, read_csv
from .base import Format, Raw
from .table import raw_table

COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship",
    "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
)  # fmt: skip
PARTS = ("data", "test")  # adult.data, adult.test


@dataclass(frozen=True)
class UciAdult(Format):
    """A folder with UCI's adult.data and adult.test, or with adult.data.csv and adult.test.csv, which have a header.

    An unknown value ("?") is a category of its own. The classes lose the dot that they have in UCI's test file.
    """

    name: ClassVar[str] = "uci_adult"
    source: ClassVar[str] = "Becker, Kohavi 1996, Adult, UCI Machine Learning Repository"

    def accepts(self, path: Path) -> bool:
        return any(all((path / f"adult.{part}{end}").is_file() for part in PARTS) for end in ("", ".csv"))

    def read(self, path: Path, label: str | None = None) -> Raw:
        if not self.accepts(path):
            raise InputError(f"{path} must hold adult.data and adult.test, got not both")
        import pyarrow as pa

        tables = [_part(path, part) for part in PARTS]
        with reading(path, "the two tables of Adult"):
            raw = raw_table(
                pa.concat_tables(tables), "income", TableOptions(missing="?"), path, len(tables[1])
            )
        return replace(raw, labels=np.char.rstrip(raw.labels.astype(np.str_), "."))


def _part(folder: Path, part: str) -> Table:
    with_header = (folder / f"adult.{part}.csv").is_file()
    file = folder / f"adult.{part}{'.csv' if with_header else ''}"
    skip = int(
        part == "test" and not with_header
    )  # UCI's test file begins with a line about cross-validation
    table = read_csv(file, header=with_header, skip=skip)
    if table.num_columns != len(COLUMNS):
        raise InputError(f"{file} must have the {len(COLUMNS)} columns of Adult, got {table.num_columns}")
    return table.rename_columns(list(COLUMNS))
