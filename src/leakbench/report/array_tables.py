"""The rows and the arrays of results as tables: rows, records, scores, curves in Parquet; a digest of each."""

import hashlib
import json
import typing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.regular_files import open_regular, parse_json
from ..core.results import PER_RECORD, CaseScores, Curve, Exposure, ResultData, Row
from .numbers import json_safe

ROWS = "results.parquet"  # of every report
RECORDS, SCORES, CURVES = "records.parquet", "scores.parquet", "curves.parquet"
TABLES = (RECORDS, SCORES, CURVES)  # of reports that have them
RATES = ("fpr", "tpr", "lo", "hi")  # the columns of a curve's points
GROUPS = {"rank": "ranks", "decided": "decided", "slice": "slices"}  # prefix of a column, field of CaseScores


def array_tables(results: ResultData) -> dict[str, Any]:
    """The Arrow tables by file name: the rows, and the arrays that the results hold."""
    import pyarrow as pa

    found = {ROWS: rows_table(results.rows)}
    if results.exposures:
        found[RECORDS] = pa.concat_tables([_records(e) for e in results.exposures])
    if results.scores:
        parts = [_scores(case, number) for number, case in enumerate(results.scores)]
        found[SCORES] = pa.concat_tables(parts, promote_options="default")
    if results.curves:
        found[CURVES] = pa.concat_tables([_points(c, number) for number, c in enumerate(results.curves)])
    return found


def rows_table(rows: Sequence[Row]) -> Any:
    """Rows as an Arrow table: one column for each field of Row, `detail` as JSON, null where a number is not finite."""
    import pyarrow as pa

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    hints = typing.get_type_hints(Row)
    schema = pa.schema([(f.name, kinds.get(_plain(hints[f.name]), pa.string())) for f in fields(Row)])
    plain = [json_safe(vars(row)) for row in rows]
    flat = [row | {"detail": json.dumps(row["detail"], allow_nan=False, sort_keys=True)} for row in plain]
    return pa.Table.from_pylist(flat, schema)


def _plain(hint: Any) -> Any:
    """`float` of `float | None`."""
    return next((a for a in typing.get_args(hint) if a is not type(None) and isinstance(a, type)), hint)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows in a results.parquet as plain data. Raises InputError if it is not as leakbench writes it."""
    with _as_written(path):
        return [row | {"detail": parse_json(row["detail"])} for row in _read(path).to_pylist()]


def _points(curve: Curve, number: int) -> Any:
    """One row for each point of a curve."""
    import pyarrow as pa

    n = len(curve.fpr)
    columns = {
        "curve": pa.array([number] * n, pa.int32()),
        "defence": pa.array([curve.defence] * n, pa.string()),
        "attack": pa.array([curve.attack] * n, pa.string()),
        "adaptive": pa.array([curve.adaptive] * n, pa.bool_()),
        "slice": pa.array([curve.slice] * n, pa.string()),
    }
    return pa.table(columns | {name: pa.array(getattr(curve, name), pa.float64()) for name in RATES})


def read_curves(path: Path) -> list[dict[str, Any]]:
    """The curves in a curves.parquet as plain data. Raises InputError if it is not as leakbench writes it."""
    with _as_written(path):
        table = _read(path).combine_chunks()
        starts = np.flatnonzero(np.diff(table["curve"].to_numpy(), prepend=-1)).tolist()
        return [_curve(table[start:end]) for start, end in pairwise([*starts, table.num_rows])]


def _curve(table: Any) -> dict[str, Any]:
    """Consecutive rows of one curve."""
    about = {name: table[name][0].as_py() for name in ("defence", "attack", "adaptive", "slice")}
    return about | {name: table[name].to_pylist() for name in RATES}


def _records(e: Exposure) -> Any:
    """Every record under one defence and attack: its scores, and how exposed it is."""
    import pyarrow as pa

    n = len(e.record)
    columns = {
        "defence": pa.array([e.defence] * n, pa.string()),
        "attack": pa.array([e.attack] * n, pa.string()),
        "record": pa.array(e.record, pa.int64()),
        "label": pa.array([None] * n if e.label is None else e.label, pa.string()),
    }
    numbers = [name for name in PER_RECORD if name != "record"]
    return pa.table(
        columns | {name: pa.array(getattr(e, name), pa.float64(), from_pandas=True) for name in numbers}
    )


def _scores(case: CaseScores, number: int) -> Any:
    """One row for each target and record of a case."""
    import pyarrow as pa

    targets, records = case.member.shape
    n = case.member.size
    columns = {
        "case": pa.array(np.full(n, number, dtype=np.int32)),
        "defence": pa.array([case.defence] * n, pa.string()),
        "adaptive": pa.array([case.adaptive] * n, pa.bool_()),
        "shadows": pa.array([case.shadows] * n, pa.string()),
        "target": pa.array(np.repeat(case.target, records)),
        "record": pa.array(np.tile(case.record, targets)),
        "copy_of": pa.array(np.tile(case.copy_of, targets)),
        "member": pa.array(case.member.ravel()),
        "chooses": pa.array(case.chooses.ravel()),
    }
    grouped = {
        f"{prefix}:{name}": pa.array(values.ravel())
        for prefix, field in GROUPS.items()
        for name, values in getattr(case, field).items()
    }
    return pa.table(columns | grouped)


def read_scores(folder: Path) -> list[CaseScores]:
    """The cases in scores.parquet of a folder; none where the file is missing.

    Raises InputError if it is not as leakbench writes it.
    """
    import pyarrow.compute as pc

    if not (folder / SCORES).is_file():
        return []
    with _as_written(folder / SCORES):
        table = _read(folder / SCORES)
        numbers = pc.unique(table["case"]).to_pylist()
        return [_case(table.filter(pc.equal(table["case"], number))) for number in numbers]


def read_exposures(path: Path) -> list[Exposure]:
    """The exposures in a records.parquet, without `by_chance`. Raises InputError if it is none of ours."""
    with _as_written(path):
        table = _read(path).combine_chunks()
        names = [table[name].combine_chunks().dictionary_encode() for name in ("defence", "attack")]
        codes = np.array([each.indices.to_numpy() for each in names])
        ends = [*(np.flatnonzero((codes[:, 1:] != codes[:, :-1]).any(axis=0)) + 1).tolist(), table.num_rows]
        return [_exposure(table[start:end]) for start, end in pairwise([0, *ends]) if end > start]


def _exposure(table: Any) -> Exposure:
    """Consecutive rows of one defence and attack."""
    defence, attack = (table[name][0].as_py() for name in ("defence", "attack"))
    label = None if table["label"].null_count else table["label"].to_pylist()
    arrays = {name: table[name].to_numpy() for name in PER_RECORD}
    return Exposure(defence=defence, attack=attack, label=label, by_chance=None, **arrays)


@contextmanager
def _as_written(path: Path) -> Iterator[None]:
    """Turn every error of reading a table into one of the user's."""
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, IndexError, pa.ArrowException) as error:
        why = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path} is not as leakbench wrote it: {why}; run the audit or the study again"
        ) from None


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq

    with open_regular(path) as file:
        return pq.read_table(file)


def _case(table: Any) -> CaseScores:
    def array(name: str) -> Any:
        return table[name].to_numpy()

    target, place = np.unique(array("target"), return_index=True)
    target = target[np.argsort(place)]
    shape = len(target), table.num_rows // len(target)
    groups: dict[str, dict[str, Any]] = {field: {} for field in GROUPS.values()}
    for column in table.column_names:
        prefix, colon, name = column.partition(":")
        if colon and table[column].null_count == 0:
            groups[GROUPS[prefix]][name] = array(column).reshape(shape)
    defence, adaptive, shadows = (table[name][0].as_py() for name in ("defence", "adaptive", "shadows"))
    record, copy_of = (array(name)[: shape[1]] for name in ("record", "copy_of"))
    if not (copy_of.min() >= 0 and copy_of.max() < shape[1]):
        raise ValueError(f"copy_of must be the place of one of {shape[1]} records")
    member, chooses = (array(name).reshape(shape) for name in ("member", "chooses"))
    return CaseScores(defence, adaptive, shadows, target, record, copy_of, member, chooses, **groups)


def digest(table: Any) -> str:
    """A digest of the names, types and values of an Arrow table, the same before and after Parquet."""
    import pyarrow as pa

    found = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.combine_chunks()
        found.update(f"{name} {values.type} {len(values)}\n".encode())
        found.update(np.packbits(values.is_null().to_numpy(zero_copy_only=False)).tobytes())
        if pa.types.is_string(values.type):
            texts = values.dictionary_encode()
            found.update(json.dumps(texts.dictionary.to_pylist()).encode())
            values = texts.indices
        filled = values.fill_null(pa.scalar(0, pa.int8()).cast(values.type))
        found.update(filled.to_numpy(zero_copy_only=False).tobytes())
    return found.hexdigest()


def digest_of(name: str, table: Any) -> str:
    """The digest of the table in a file. An empty column of rows is as none, as later versions add fields to Row."""
    filled = [column for column in table.column_names if table[column].null_count < table.num_rows]
    return digest(table.select(filled) if name == ROWS else table)


def digest_of_file(path: Path) -> str:
    """The digest of the table in a Parquet file. Raises OSError or ArrowException if there is none."""
    return digest_of(path.name, _read(path))
