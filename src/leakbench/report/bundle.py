"""A report with all that an output checker needs, in one folder: pages to print, numbers, arrays, schema, checksums."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..core.atomic_files import save_together, writing
from ..core.errors import InputError
from ..core.regular_files import open_regular, parse_json, read_regular
from ..core.results import Curve, ExposedRecord, Flag, LayerSize, Overlap, Row, SyntheticSample
from .checklist import PAGE_MARK, SOURCE, checklist, checklist_page
from .identity import FILES, changed, is_ours
from .results import Results

BUNDLE = "leakbench-bundle/1"
HEAD = 4096  # bytes of a file in which its mark is
PREFIX = ".bundle-"  # of the temporary folders


def bundle(report: str | Path, out: str | Path) -> Path:
    """Write a report with its checklist, schema and checksums into a folder; returns the path of the manifest.

    The folder holds the files of the report as they are, `checklist.html` and `checklist.json` (what an authority
    requires of a claim of anonymity, beside what was measured), `schema.json` (a JSON Schema of the parts of
    report.json and its tables) and `manifest.json` (the SHA-256 of every file).

    Args:
        report: The folder of a report.
        out: The folder of the bundle, which is not that of the report.

    Raises InputError for a report that was changed after it was written, and rather than replace a file that leakbench
    did not write; LeakbenchError where the folder cannot be written.
    """
    folder, place = Path(report), Path(out)
    results = Results.load(folder)
    if files := changed(folder):
        raise InputError(
            f"{folder} was changed after it was written ({', '.join(files)}); make the report again"
        )
    if place.resolve() == folder.resolve():
        raise InputError(f"the bundle needs a folder of its own, got that of the report, {out}")
    contents: dict[str, bytes | None] = dict.fromkeys(FILES)
    contents |= {name: read_regular(folder / name) for name in FILES if (folder / name).is_file()}
    items = [asdict(item) for item in checklist(results)]
    contents["checklist.html"] = checklist_page(results).encode("utf-8", "replace")
    contents["checklist.json"] = _json({"after": SOURCE, "run": results.identity, "items": items})
    contents["schema.json"] = _json(_schema(parse_json(read_regular(folder / "report.json"))["schema"]))
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items() if data is not None}
    contents["manifest.json"] = _json({"run": results.identity, "sha256": sums})
    with writing("bundle", place):
        save_together(lambda: contents, place, PREFIX, _ours)
    return place / "manifest.json"


def _json(plain: dict[str, Any]) -> bytes:
    return json.dumps({"schema": BUNDLE, **plain}, indent=1, ensure_ascii=False).encode("utf-8", "replace")


def _schema(of: str) -> dict[str, Any]:
    """A JSON Schema of each kind of object in report.json and in its tables."""
    from pydantic import TypeAdapter

    kinds = (Row, Curve, Flag, ExposedRecord, SyntheticSample, LayerSize, Overlap)
    parts = {kind.__name__: TypeAdapter(kind).json_schema() for kind in kinds}
    return {"of": of, "parts": parts}


def _ours(path: Path) -> bool:
    if path.name in FILES:
        return is_ours(path)
    try:
        with open_regular(path) as file:
            head = file.read(HEAD).decode("utf-8", "replace")
    except OSError:
        return False
    return PAGE_MARK in head or BUNDLE in head
