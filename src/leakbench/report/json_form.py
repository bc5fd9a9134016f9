"""The plain data of report.json, from results and back."""

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar, cast

from ..core.checks import checked
from ..core.results import (
    ROWS_INSIDE,
    SCHEMA,
    Curve,
    Distribution,
    ExposedRecord,
    Flag,
    LayerSize,
    Overlap,
    ResultData,
    Row,
    SyntheticSample,
)
from .array_tables import CURVES, ROWS
from .numbers import json_safe
from .verdict import verdict
from .view import View

PLAIN = (
    "kind",
    "title",
    "methods",
    "provenance",
    "study",
    "notes",
    "tables",
)  # fields that hold plain values
T = TypeVar("T")


def to_plain(results: ResultData, left_out: Iterable[str] = ()) -> dict[str, Any]:
    """Plain data for JSON, without some fields; a number that is not finite becomes null."""
    apart: dict[str, Any] = {name: [] for name in ("exposures", "scores", *left_out)}
    plain = {name: value for name, value in asdict(replace(results, **apart)).items() if name not in apart}
    if "rows" in plain:
        plain["results"] = plain.pop("rows")
    loaded_with_rows = results.identity and ROWS not in results.tables
    schema = ROWS_INSIDE if loaded_with_rows else SCHEMA
    clean: dict[str, Any] = json_safe({"schema": schema, "verdict": asdict(verdict(View(results))), **plain})
    return clean


def to_file(results: ResultData) -> dict[str, Any]:
    """The content of report.json, but for the digest of the page: `to_plain` without what is in tables beside it."""
    in_tables = {"rows": ROWS, "curves": CURVES}
    return to_plain(results, [name for name, table in in_tables.items() if table in results.tables])


def from_plain(plain: dict[str, Any]) -> dict[str, Any]:
    """The fields of `ResultData`, each value checked: the inverse of `to_plain`."""
    from pydantic import create_model

    given = {k: v for k, v in plain.items() if k not in ("schema", "verdict", "page", "results")}
    given["rows"] = _typed(Row, plain["results"])
    if not re.fullmatch("[0-9a-f]{0,64}", plain.get("identity", "")):
        raise TypeError(f"identity must be hexadecimal digits, got {plain['identity']!r}")
    given |= {
        "curves": _typed(Curve, plain["curves"]),
        "flags": _typed(Flag, plain["flags"]),
        "records": _typed(ExposedRecord, plain["records"]),
        "samples": _typed(SyntheticSample, plain.get("samples", [])),  # leakbench 0.1.0 wrote none
        "layers": _typed(LayerSize, plain.get("layers", [])),
        "distributions": _typed(Distribution, plain.get("distributions", [])),
        "overlaps": _typed(Overlap, plain.get("overlaps", [])),
    }
    plain_fields = [f for f in fields(ResultData) if f.name in PLAIN and f.name in given]
    kinds: dict[str, Any] = {f.name: (f.type, ...) for f in plain_fields}
    create_model("Report", **kinds).model_validate({name: given[name] for name in kinds}, strict=True)
    return given


def _typed(kind: type[T], items: list[dict[str, Any]]) -> list[T]:
    """Instances of a dataclass from plain data, every value checked; null becomes NaN where a number must be."""
    kinds = {f.name: f.type for f in fields(kind)}  # type: ignore[arg-type]

    def known(name: str, value: Any) -> Any:
        if kinds.get(name) == list[float] and isinstance(value, list):
            return [math.nan if v is None else v for v in value]
        return math.nan if value is None and kinds.get(name) is float else value

    known_items = [{name: known(name, value) for name, value in item.items()} for item in items]
    return cast(list[T], checked(list[kind], known_items))  # type: ignore[valid-type]
