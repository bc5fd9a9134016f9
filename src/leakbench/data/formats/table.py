"""Tables with a column of labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import InputError
from ._tables import label_column, read_csv, read_parquet
from .base import Floats, Format, Raw
from .image_csv import ImageCsv
from .image_parquet import ImageParquet

MOST_TEXTS = 1000  # distinct texts in one column; more are names or identifiers, not categories


@dataclass(frozen=True)
class TableFile(Format):
    """A CSV (also .csv.gz) or parquet file with a header, a label column, and numbers or categories.

    Numbers are taken as they are. Text becomes one column of 0 and 1 for each distinct text, in alphabetical
    order. A missing value, NaN or infinity is refused, with its column.
    """

    name: ClassVar[str] = "table"
    source: ClassVar[str] = "CSV as in RFC 4180; Apache Parquet"
    has_columns: ClassVar[bool] = True

    def accepts(self, path: Path) -> bool:
        if not path.is_file() or not path.name.lower().endswith((".csv", ".csv.gz", ".parquet")):
            return False
        return not ImageParquet().accepts(path) and not ImageCsv().accepts(path)

    def read(self, path: Path, label: str | None = None) -> Raw:
        table = read_parquet(path) if path.suffix == ".parquet" else read_csv(path)
        chosen = label_column(table, label, path)
        if table.num_columns < 2:
            raise InputError(f"{path} must have columns beside {chosen!r}, got none")
        labels = np.array(_plain(table[chosen], chosen, path).to_pylist())
        x = np.concatenate([_feature(table[n], n, path) for n in table.column_names if n != chosen], axis=1)
        return Raw(labels, lambda rows: x[rows], np.zeros(len(labels), dtype=np.bool_))


def _plain(column: Any, name: str, path: Path) -> Any:
    """The column without dictionary encoding; refused if a value is missing, NaN or infinite."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    missing = column.null_count
    if pa.types.is_floating(column.type):
        missing += int((~np.isfinite(column.drop_null().to_numpy())).sum())
    if missing:
        raise InputError(
            f"{path}: column {name!r} must have a number or text in every row, got {missing} without; "
            "fill missing, NaN or infinite values, or drop their rows"
        )
    return column


def _feature(column: Any, name: str, path: Path) -> Floats:
    """The column as float32 [N, 1], or [N, number of distinct texts]."""
    import pyarrow as pa

    column = _plain(column, name, path)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        distinct, codes = np.unique(np.array(column.to_pylist()), return_inverse=True)
        if len(distinct) > MOST_TEXTS:
            raise InputError(
                f"{path}: column {name!r} must have at most {MOST_TEXTS} distinct texts to be a category, "
                f"got {len(distinct)}; drop or convert it"
            )
        return np.asarray(codes[:, None] == np.arange(len(distinct)), dtype=np.float32)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise InputError(f"{path}: column {name!r} must hold numbers or text, got {kind}; drop or convert it")
    return np.asarray(column.to_numpy(), dtype=np.float32)[:, None]
