"""Which run the files of a report are of: each of them says so, so that a mixture of two runs is told from a report."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.regular_files import open_regular, parse_json, read_regular
from ..core.results import ResultData
from .array_tables import CURVES, ROWS, TABLES, digest_of_file, read_curves, read_rows
from .json_form import to_file

FAMILY = "leakbench-report/"  # how the schemas of all versions begin
HEAD = 4096  # bytes of a page in which its identity is
MARK = re.compile(rb'<meta name="leakbench-run" content="([0-9a-f]*)">')
OLD_TITLE = "· leakbench</title>".encode()  # of pages before there was an identity


def _of_json(path: Path) -> str | None:
    plain = parse_json(read_regular(path))
    ours = isinstance(plain, dict) and str(plain.get("schema")).startswith(FAMILY)
    return str(plain.get("identity", "")) if ours else None


def _of_table(path: Path) -> str | None:
    import pyarrow.parquet as pq

    with open_regular(path) as file:
        about = pq.read_schema(file).metadata or {}
    ours = about.get(b"schema", b"").startswith(FAMILY.encode())
    return about.get(b"identity", b"").decode() if ours else None


def _of_page(path: Path) -> str | None:
    with open_regular(path) as file:
        head = file.read(HEAD)
    if found := MARK.search(head):
        return found[1].decode()
    return "" if OLD_TITLE in head else None


FILES: dict[str, Callable[[Path], str | None]] = {  # of a report, and how each tells
    ROWS: _of_table,
    "report.json": _of_json,
    "report.html": _of_page,
    **dict.fromkeys(TABLES, _of_table),
}


def run_of(path: Path) -> str | None:
    """The identity of the run that a file of a report is of; None if it is no file of a report.

    It is empty in files of leakbench before there was one.
    """
    import pyarrow as pa

    try:
        return FILES[path.name](path)
    except (OSError, ValueError, pa.ArrowException):
        return None


def is_ours(path: Path) -> bool:
    """Whether leakbench wrote a file of a report."""
    return run_of(path) is not None


def curves_beside(path: Path, plain: dict[str, Any]) -> dict[str, Any]:
    """The curves of a report.json that says that they are in curves.parquet; none where that file is not beside it."""
    if CURVES not in plain.get("tables", {}):
        return {}
    file = path.with_name(CURVES)
    return {"curves": read_curves(file) if run_of(file) == plain.get("identity") else []}


def rows_beside(path: Path, plain: dict[str, Any]) -> dict[str, Any]:
    """The rows of a report.json that says that they are in results.parquet.

    Raises InputError where that file is not beside it as it was written.
    """
    if ROWS not in plain.get("tables", {}) or "results" in plain:
        return {}
    file = path.with_name(ROWS)
    run, again = run_of(file), f"run the audit or the study again with --out {path.parent}"
    if not os.path.lexists(file):
        what = "is missing"
    elif run is None:
        what, again = "is damaged, or was not written by leakbench", f"move it away and {again}"
    elif run != plain.get("identity", ""):
        what = "is of another run"
    elif not _has_digest(file, plain["tables"][ROWS]):
        what = "was changed after it was written"
    else:
        return {"results": read_rows(file)}
    raise InputError(
        f"{file} {what}, but the rows of {path.name} are in it: put back the file that was saved with it, or {again}"
    )


def identified(results: ResultData) -> str:
    """The identity of the run that results are of: as loaded, or a digest of all that they hold."""
    return results.identity or _digest(to_file(results))


def _digest(plain: dict[str, Any]) -> str:
    """A digest of what was measured; verdict and page follow from it. An empty field is as none, as later versions add
    fields.
    """
    measured = {key: value for key, value in plain.items() if key not in ("identity", "verdict", "page")}
    text = json.dumps(_without_empty(measured), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _without_empty(v) for k, v in value.items() if v not in (None, "", [], {})}
    return [_without_empty(v) for v in value] if isinstance(value, list) else value


def changed(folder: Path) -> list[str]:
    """The files of a report that are not as they were written: report.json, and those that it has digests of.

    The digests show a file that was edited, damaged or mixed up. They do not stop a forger, who can compute them too.
    """
    plain = parse_json(read_regular(folder / "report.json"))
    found = [] if plain.get("identity") == _digest(plain) else ["report.json"]
    for name, expected in plain.get("tables", {}).items():
        same = name in (ROWS, *TABLES) and _has_digest(folder / name, expected)
        found += [] if same else [name]
    page = folder / "report.html"
    if page.is_file() and hashlib.sha256(page.read_bytes()).hexdigest() != plain.get("page"):
        found.append(page.name)
    return found


def _has_digest(table: Path, expected: str) -> bool:
    import pyarrow as pa

    try:
        return digest_of_file(table) == expected
    except (OSError, ValueError, pa.ArrowException):
        return False


def check_whole(folder: Path, identity: str) -> None:
    """Raise InputError if a file beside report.json is not of the same run."""
    for path in (folder / name for name in FILES):
        if os.path.lexists(path) and (found := run_of(path)) != identity:
            what = "was not written by leakbench" if found is None else "is of another run"
            remedy = (
                "move it away"
                if found is None
                else f"two savers met, or one was killed; run the audit or the study again with --out {folder}"
            )
            raise InputError(
                f"{path} {what}, while report.json beside it is of run {identity or 'unknown'}: {remedy}"
            )
