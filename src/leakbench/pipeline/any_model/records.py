"""The records that models train on, in whatever holds them: how many there are, some of them, what tells them apart."""

import hashlib
import itertools
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.seeds import stream
from ...data.audit_file.given import as_array
from ...data.audit_file.tables import without_views
from ...signals.copies import of_content

Rows = NDArray[np.int64]


def with_rows(x: Any) -> Any:
    """`x`, as an Arrow table where it is a stream of Arrow data and nothing more."""
    import pyarrow as pa

    return pa.table(x) if hasattr(x, "__arrow_c_stream__") and not hasattr(x, "shape") else x


def count(x: Any) -> int:
    """How many records `x` holds. Raises InputError where it has no length."""
    try:
        return int(x.shape[0]) if hasattr(x, "shape") else len(x)
    except TypeError:
        raise InputError(
            f"x must be an array, a table or a list with a row for each record, got {type(x).__name__}; "
            "or give x=None, and a function that loads records by their numbers"
        ) from None


def take(x: Any, rows: Rows) -> Any:
    """Some records, in what holds them all: an array, a table, a list, a data set. None: their numbers."""
    library = type(x).__module__.partition(".")[0]
    if x is None:
        return rows
    if hasattr(x, "iloc"):
        return x.iloc[rows]
    if isinstance(x, list | tuple):
        return [x[row] for row in rows]
    if library == "pyarrow":
        return x.take(rows)
    if library == "datasets":  # of Hugging Face
        return x.select(rows)
    if any(base.__module__ == "torch.utils.data.dataset" for base in type(x).__mro__):
        from torch.utils.data import Subset

        return Subset(x, rows.tolist())
    return x[rows]


def labels(y: Any) -> NDArray[Any]:
    """The labels [N]: whole numbers, truth values or text. Raises InputError for anything else."""
    array = as_array("y", y)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.round(array)).all():
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "biuU":
        raise InputError(
            f"y must be one label for each record, [N], whole numbers or text, got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array


def copies(x: Any, labels: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """For each record the first one with the same label (whole numbers [N]) and content, often itself [N].

    None for objects of which leakbench does not know the content.
    """
    if hasattr(x, "tocsr"):  # equal rows have equal products, in whatever order their numbers lie
        x = x.tocsr() @ stream(0, "copies").integers(-(2**20), 2**20, (x.shape[1], 2))
    x = as_array("x", x) if hasattr(x, "detach") else x
    if isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
        return of_content(labels, x, np.arange(len(x)))
    codes = _codes(x)
    return None if codes is None else of_content(labels, codes, np.arange(len(codes)))


def _codes(x: Any) -> NDArray[np.int64] | None:
    """A number for each value of a table, a list or an array of text [N, D]; equal values of a column share it."""
    import pyarrow as pa

    if not (isinstance(x, np.ndarray | list | tuple) or hasattr(x, "__arrow_c_stream__")):
        return None
    try:
        if isinstance(x, np.ndarray):
            x = {str(i): pa.array(column) for i, column in enumerate(x.reshape(len(x), -1).T)}
        elif isinstance(x, list | tuple):
            x = {"x": pa.array(x)}
        table = pa.table(x).unify_dictionaries()
        columns = [column.combine_chunks() for column in table.columns]
        coded = [c if pa.types.is_dictionary(c.type) else c.dictionary_encode() for c in columns]
    except (pa.ArrowException, TypeError, ValueError):
        return None
    return np.column_stack([c.indices.fill_null(-1).to_numpy(zero_copy_only=False) for c in coded])


def fingerprint(x: Any) -> str | None:
    """A digest of the content of `x`; None for objects of which leakbench does not know the content."""
    content = _content(x)
    if content is None:
        return None
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return digest.hexdigest()[:32]


def _content(x: Any) -> list[Any] | None:
    """The bytes of `x` in parts that are not copied; None as above."""
    if hasattr(x, "detach"):  # a tensor
        x = as_array("x", x)
    if isinstance(x, np.ndarray) and x.dtype.kind in "biufcUSMm":
        return [f"{x.dtype.str}{x.shape}".encode(), np.ascontiguousarray(x).reshape(-1).view(np.uint8).data]
    if isinstance(x, np.ndarray | list | tuple):
        try:
            return [json.dumps(x.tolist() if isinstance(x, np.ndarray) else x).encode()]
        except (TypeError, ValueError):
            return None
    if hasattr(x, "tocsr"):
        rows = x.tocsr()
        parts = [_content(part) or [] for part in (rows.data, rows.indices, rows.indptr)]
        return [str(x.shape).encode(), *itertools.chain(*parts)]
    return _arrow(x) if hasattr(x, "__arrow_c_stream__") else None


def _arrow(x: Any) -> list[Any] | None:
    """A pandas, Polars or Arrow table as an Arrow stream; None where a column holds objects of several types."""
    import pyarrow as pa

    try:
        table = without_views(pa.table(x)).combine_chunks().replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return [sink.getvalue()]
