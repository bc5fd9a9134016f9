"""CSV files of whole numbers without a header; bits take one byte each (Texas-100 has 415 million)."""

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MOST_COLUMNS = 100_000


def read_bits(file: IO[bytes], class_first: bool) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Classes [N] and bits [N, D]; the classes are the first column, or all 0 if not `class_first`.

    Raises ValueError where a cell is empty, no whole number, or (among the bits) neither 0 nor 1.
    """
    import pyarrow as pa
    from pyarrow import csv

    width = file.readline().count(b",") + 1
    if width > MOST_COLUMNS:
        raise ValueError(f"{width} columns, at most {MOST_COLUMNS}")
    file.seek(0)
    kinds = {f"f{i}": pa.uint8() for i in range(width)}
    if class_first:
        kinds["f0"] = pa.int64()
    table = csv.read_csv(
        file,
        read_options=csv.ReadOptions(autogenerate_column_names=True),
        convert_options=csv.ConvertOptions(column_types=kinds),
    )
    columns: list[Any] = table.columns
    if any(column.null_count for column in columns):
        raise ValueError("a cell is empty")
    y = columns.pop(0).to_numpy() if class_first else np.zeros(table.num_rows, np.int64)
    x = np.empty((table.num_rows, len(columns)), np.uint8)
    for i, column in enumerate(columns):
        x[:, i] = column.to_numpy()
    if x.size and x.max() > 1:
        raise ValueError(f"a bit is {x.max()}")
    return y, x
