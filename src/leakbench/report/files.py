"""Writes the files of a report: all of them or none."""

import json
import os
import shutil
import tempfile
import typing
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import LeakbenchError
from ..results import SCHEMA, Exposure, Results, Row
from .page import render


def write(results: Results, folder: Path) -> Path:
    """Write report.html, report.json and the parquet tables into `folder`; returns the path of report.html.

    Everything is rendered first, written under temporary names, and moved into place at the end; a failure
    puts back what was there before. Raises LeakbenchError where the folder cannot be written or the disk is full.
    """
    plain = results.to_dict()
    contents = {
        "results.parquet": _parquet(plain["results"]),
        "report.json": json.dumps(plain, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace"),
        "report.html": render(results).encode("utf-8", "replace"),
    }
    if results.exposures:
        contents["records.parquet"] = _records(results.exposures)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".report-", dir=folder) as scratch:
            replace_all(contents, folder, Path(scratch))
    except OSError as error:
        raise LeakbenchError(
            f"the report needs a folder that can be written, got {folder}: {error.strerror or error};"
            " free some space or choose another folder"
        ) from None
    return folder / "report.html"


def replace_all(contents: Mapping[str, bytes], folder: Path, scratch: Path) -> None:
    """Write files into `folder`, all or none, by way of the folder `scratch` on the same disk."""
    for name, content in contents.items():
        with open(scratch / name, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    done: list[str] = []
    try:
        for name in contents:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, scratch / f"old-{name}")
            os.replace(scratch / name, folder / name)
            done.append(name)
    except OSError:
        for name in done:
            _put_back(folder / name, scratch / f"old-{name}")
        raise


def _put_back(path: Path, old: Path) -> None:
    if old.exists():
        os.replace(old, path)
    else:
        path.unlink()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    """The rows as a table: one column for each field of Row, `detail` as JSON."""
    import pyarrow as pa

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    hints = typing.get_type_hints(Row)
    flat = [{**row, "detail": json.dumps(row["detail"], allow_nan=False, sort_keys=True)} for row in rows]
    schema = pa.schema(
        [pa.field(f.name, kinds.get(_plain(hints[f.name]), pa.string())) for f in fields(Row)],
        metadata={"schema": SCHEMA},
    )
    return _written(pa.Table.from_pylist(flat, schema))


def _records(exposures: list[Exposure]) -> bytes:
    """Every record under every defence: how exposed it is, by which attack."""
    import pyarrow as pa

    def table(e: Exposure) -> Any:
        n = len(e.record)
        columns = {
            "defence": pa.array([e.defence] * n, pa.string()),
            "attack": pa.array([e.attack] * n, pa.string()),
            "record": pa.array(e.record, pa.int64()),
            "label": pa.array([None] * n if e.label is None else e.label, pa.string()),
            "vulnerability": pa.array(e.vulnerability, pa.float64(), from_pandas=True),
            "tpr": pa.array(e.tpr, pa.float64(), from_pandas=True),
        }
        return pa.table(columns, metadata={"schema": SCHEMA})

    return _written(pa.concat_tables([table(e) for e in exposures]))


def _written(table: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _plain(hint: Any) -> Any:
    """`float` of `float | None`."""
    return next((a for a in typing.get_args(hint) if a is not type(None) and isinstance(a, type)), hint)
