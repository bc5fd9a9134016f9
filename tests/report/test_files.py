"""The three files hold the same numbers, and come all together or not at all."""

import errno
import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakbench.core.errors import InputError, LeakbenchError
from leakbench.core.results import SCHEMA, Exposure, Row
from leakbench.report import files
from leakbench.report.array_tables import read_exposures
from leakbench.report.files import write
from leakbench.report.results import Results

from . import example

NAMES = {"report.html", "report.json", "results.parquet"}
SMALL = Results("audit", "small", [Row("auc", 0.6, 0.5, 0.7, attack="loss")])


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(example.audit(), tmp_path_factory.mktemp("audit"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_four_files_and_nothing_else(audited: Path) -> None:
    assert audited.name == "report.html"
    assert names(audited.parent) == NAMES | {"curves.parquet"}


def test_the_table_holds_every_row(audited: Path) -> None:
    rows = example.audit().rows
    table = pq.read_table(audited.parent / "results.parquet")
    plain = json.loads((audited.parent / "report.json").read_text())
    assert plain["schema"] == SCHEMA == table.schema.metadata[b"schema"].decode() and "results" not in plain
    for row, from_table in zip(rows, table.to_pylist(), strict=True):
        assert Row(**from_table | {"detail": json.loads(from_table["detail"])}) == row
    assert Results.load(audited.parent).rows == rows


def test_the_page_shows_the_numbers_of_the_rows(audited: Path) -> None:
    page = audited.read_text()
    row = next(r for r in example.audit().rows if (r.metric, r.attack, r.slice) == ("auc", "lira", "all"))
    assert f'data-v="{row.value:.6g}" data-ci="{row.lo:.5g} {row.hi:.5g}">{row.value:.3f}' in page
    assert f"[{row.lo:.3f}, {row.hi:.3f}]" in page


def test_columns_have_fixed_types_even_without_rows(audited: Path, tmp_path: Path) -> None:
    empty = pq.read_schema(write(Results("run", "empty", []), tmp_path).parent / "results.parquet")
    full = pq.read_schema(audited.parent / "results.parquet")
    assert empty.equals(full)
    assert {f.name: str(f.type) for f in empty} == {
        "metric": "string", "value": "double", "lo": "double", "hi": "double", "n_members": "int64",
        "n_nonmembers": "int64", "attack": "string", "slice": "string", "defence": "string", "target": "string",
        "adaptive": "bool", "shadows": "string", "against": "string", "selected": "string", "unit": "string",
        "chance": "double",         "detail": "string",
    }  # fmt: skip


def test_what_is_not_finite_is_null_everywhere(tmp_path: Path) -> None:
    row = Row("auc", math.nan, -math.inf, None, attack="loss", detail={"threshold": math.inf})
    folder = write(Results("audit", "holes", [row]), tmp_path).parent
    (plain,) = Results.load(folder).to_dict()["results"]
    (flat,) = pq.read_table(folder / "results.parquet").to_pylist()
    assert plain["value"] is plain["lo"] is plain["detail"]["threshold"] is None
    assert flat["value"] is flat["lo"] is None
    assert json.loads(flat["detail"]) == {"threshold": None}
    again = write(Results.load(folder), tmp_path / "again").parent
    assert (again / "report.json").read_bytes() == (folder / "report.json").read_bytes()


VALUES = st.floats() | st.sampled_from([0.1 + 0.2, 5e-324, 1e308, -0.0])
DETAIL = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | VALUES | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.builds(
            Row,
            metric=st.text(st.characters(codec="utf-8"), min_size=1),
            value=VALUES,
            lo=st.none() | VALUES,
            hi=st.none() | VALUES,
            n_members=st.none() | st.integers(0, 2**60),
            attack=st.none() | st.just("loss"),
            adaptive=st.none() | st.booleans(),
            selected=st.none() | st.text(st.characters(codec="utf-8")),
            chance=st.none() | VALUES,
            detail=st.dictionaries(st.sampled_from(["threshold", "fpr", "é"]), DETAIL, max_size=3),
        ),
        max_size=8,
    )
)
def test_every_row_comes_back_as_from_json(rows: list[Row]) -> None:
    """A limit that is not finite comes back as None, and a value that is not finite as NaN: both are null in JSON."""
    results = Results("run", "any", rows)
    as_json = Results.from_dict(json.loads(json.dumps(results.to_dict())))
    with tempfile.TemporaryDirectory() as folder:
        results.save(folder)
        loaded = Results.load(folder)
        again = Results.load(loaded.save(folder).parent)
    assert [spelled(row) for row in loaded.rows] == [spelled(row) for row in as_json.rows]
    assert [spelled(row) for row in again.rows] == [spelled(row) for row in loaded.rows]
    for row, given_row in zip(loaded.rows, rows, strict=True):
        assert row.lo is None or row.lo == given_row.lo
        assert row.value == given_row.value if math.isfinite(given_row.value) else math.isnan(row.value)
        assert (row.metric, row.selected, row.adaptive) == (
            given_row.metric,
            given_row.selected,
            given_row.adaptive,
        )


def spelled(row: Row) -> str:
    """Every bit of a row: 0.0 is not -0.0, NaN is NaN."""
    return repr({**vars(row), "detail": json.dumps(row.detail, sort_keys=True)})


def test_report_json_of_many_rows_is_small_and_all_come_back(tmp_path: Path) -> None:
    rows = [
        Row(
            "auc",
            i / 20_000,
            i / 30_000,
            i / 10_000,
            i,
            i,
            f"attack {i % 50}",
            f"class={i % 100}",
            f"defence {i % 40}",
            str(i % 16),
            detail={"threshold": i / 7, "fpr": i / 9},
        )
        for i in range(20_000)
    ]
    Results("run", "many", rows).save(tmp_path)
    assert (tmp_path / "report.json").stat().st_size < 1e6
    assert Results.load(tmp_path).rows == rows


def test_the_same_results_give_the_same_bytes(audited: Path, tmp_path: Path) -> None:
    again = write(example.audit(), tmp_path)
    for name in names(audited.parent):
        assert (again.parent / name).read_bytes() == (audited.parent / name).read_bytes(), name


def test_a_folder_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(LeakbenchError, match="needs a folder that can be written") as caught:
            write(SMALL, folder)
        assert "\n" not in str(caught.value)
    assert names(tmp_path) == {"taken"}


@pytest.mark.parametrize(("failing", "before"), [(0, set()), (1, NAMES), (2, {"report.json"})])
def test_a_full_disk_leaves_what_was_there(
    failing: int, before: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = Results("audit", "earlier", [])
    write(earlier, tmp_path)
    for name in NAMES - before:
        (tmp_path / name).unlink()
    old = {name: (tmp_path / name).read_bytes() for name in before}
    replace, calls = os.replace, iter(range(100))

    def full(source: str, target: str) -> None:
        if next(calls) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(LeakbenchError, match="No space left on device"):
        write(SMALL, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == old


def test_a_disk_that_is_full_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LeakbenchError, match="free some space"):
        write(SMALL, tmp_path)
    assert names(tmp_path) == set()


def test_a_page_that_cannot_be_rendered_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(results: Results) -> str:
        raise LeakbenchError("no page")

    monkeypatch.setattr(files, "render", broken)
    with pytest.raises(LeakbenchError, match="no page"):
        write(example.audit(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.builds(
            Row,
            metric=st.sampled_from(
                [
                    "auc",
                    "tpr@fpr=0.01",
                    "tpr@fpr=x",
                    "accuracy",
                    "train_seconds",
                    "auc-difference",
                    "epsilon",
                    "parameters",
                    "accuracy_difference",
                    "leakage_from_generator",
                    "leakage_in_weights",
                ]
            ),
            value=st.floats(),
            lo=numbers,
            hi=numbers,
            n_members=st.none() | st.integers(0, 10**6),
            n_nonmembers=st.none() | st.integers(0, 10**6),
            attack=st.sampled_from([None, "best", "loss"]),
            slice=st.sampled_from(["all", "class=1", "worst", "generator"]),
            defence=st.sampled_from(["none", "a"]),
            target=st.sampled_from(["all", "0", "1"]),
            adaptive=st.sampled_from([None, True, False]),
            shadows=st.sampled_from([None, "none", "a", "b"]),
            against=st.sampled_from([None, "none", "a", "b"]),
            unit=st.sampled_from([None, "s", "ms", "GiB"]),
        ),
        max_size=12,
    ),
    st.sampled_from(["run", "audit"]),
)
def test_no_rows_break_the_page(rows: list[Row], kind: str) -> None:
    assert "</html>" in files.render(Results(kind, "any", rows))


def test_a_page_that_is_written_again_has_the_exposure_of_every_attack(tmp_path: Path) -> None:
    numbers, ones = np.arange(30), np.ones(30)
    exposures = [
        Exposure(
            d, a, numbers, [str(n) for n in numbers], ones, ones, ones, ones, ones, scale * numbers, ones, 1.0
        )
        for d in ("none", "hamp")
        for a, scale in (("lira", 1.0), ("gap", -3.0))
    ]
    rows = [
        r
        for d in ("none", "hamp")
        for r in example.gaussian(1.0, 200, defence=d, attack="lira", adaptive=True)
    ]
    page = Results("run", "x", rows, exposures=exposures).save(tmp_path)
    first = page.read_text()
    again = read_exposures(tmp_path / "records.parquet")
    assert [(e.defence, e.attack, e.label) for e in again] == [
        (e.defence, e.attack, e.label) for e in exposures
    ]
    assert all((a.vulnerability == b.vulnerability).all() for a, b in zip(again, exposures, strict=True))
    assert Results.load(tmp_path).save(tmp_path).read_text() == first
    assert first.count("−87.00") == 2  # record 29 under gap
    (tmp_path / "records.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="is not as leakbench wrote it"):
        read_exposures(tmp_path / "records.parquet")
