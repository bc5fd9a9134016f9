"""Writes the files of a report: all of them or none."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.atomic_files import one_at_a_time, save_together, sweep, writing
from ..core.results import ResultData
from .array_tables import CURVES, RECORDS, ROWS, TABLES, array_tables, digest_of, read_exposures
from .identity import FILES, identified, is_ours, run_of
from .json_form import to_file
from .page import render

PREFIX = ".report-"  # of the temporary folders


def write(results: ResultData, folder: Path) -> Path:
    """Write report.html, report.json and the parquet tables into `folder`; returns the path of report.html.

    All or none (see `save_together`), each with the identity of the run; tables of another run do not stay. Raises
    InputError rather than replace a file that leakbench did not write, LeakbenchError where the folder cannot be
    written or the disk is full.
    """
    tables = array_tables(results)
    if not results.identity:
        results = replace(results, tables={name: digest_of(name, each) for name, each in tables.items()})
    elif ROWS in results.tables:  # rows that were changed after loading show in the digest of report.json
        results = replace(results, tables=results.tables | {ROWS: digest_of(ROWS, tables[ROWS])})
    if CURVES not in results.tables:
        tables.pop(CURVES, None)  # of a report of an earlier version, which keeps its curves in report.json
    identity = identified(results)
    results = replace(results, identity=identity)
    known = results.exposures
    if not known and run_of(folder / RECORDS) == identity:  # of results that were loaded
        known = read_exposures(folder / RECORDS)
    page = render(replace(results, exposures=known)).encode("utf-8", "replace")
    plain = to_file(results) | {"page": hashlib.sha256(page).hexdigest()}
    about = {name: plain[name] for name in ("schema", "identity")}
    contents: dict[str, bytes | None] = {
        ROWS: _written(tables.pop(ROWS), about),
        "report.json": _compact(plain),
        "report.html": page,
    }
    contents |= {name: _written(table, about) for name, table in tables.items()}

    def made() -> dict[str, bytes | None]:
        others = [name for name in TABLES if run_of(folder / name) not in (None, identity)]
        return dict.fromkeys(others) | contents

    with writing("report", folder):
        save_together(made, folder, PREFIX, is_ours)
    return folder / "report.html"


def _compact(plain: dict[str, Any]) -> bytes:
    text = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def remove(folder: Path) -> bool:
    """Remove the files of a report from a folder, and nothing else; whether there were any."""
    with one_at_a_time(folder) as alone:
        found = [folder / name for name in FILES if is_ours(folder / name)]
        for path in found:
            path.unlink()
        if alone:
            sweep(folder, PREFIX, FILES)
    return bool(found)


def _written(table: Any, about: dict[str, str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(about), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
