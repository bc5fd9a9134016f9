"""Verify names the file, the table and the number that is not as it must be."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.report.rows import edit_rows

import leakbench
from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.evaluation.decisions.verify import Finding, verify
from leakbench.report.files import write
from leakbench.report.results import Results


@pytest.fixture(scope="module")
def audited() -> Results:
    rng, members = np.random.default_rng(0), np.arange(160) < 80
    losses = rng.exponential(np.where(members, 0.5, 1.0))
    return leakbench.audit(
        losses=losses, members=members, attacks=["loss"], metrics=["standard", {"name": "tpr", "fpr": 0.2}]
    )


@pytest.fixture(scope="module")
def saved(audited: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return audited.save(tmp_path_factory.mktemp("saved") / "report").parent


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "report"))


def differing(report: Path) -> list[str]:
    return [f"{each.part}: {each.text}" for each in verify(report) if each.status == "differs"]


def test_a_report_as_it_was_written_differs_in_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verify(folder)
    assert {each.status for each in found if each.part != "numbers"} == {"ok"}
    (numbers,) = (each for each in found if (each.part, each.status) == ("numbers", "ok"))
    rows = [r for r in Results.load(folder).rows if r.attack == "loss" and not r.metric.startswith("epsilon")]
    assert numbers.text.startswith(f"{len(rows)} of ") and any(r.metric == "tpr@fpr=0.2" for r in rows)
    for columns in ("80", "120"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", columns)
            assert main(["verify", str(folder)]) == 0
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= int(columns) and out.endswith("nothing differs\n")


def _edit(change: Callable[[dict], object]) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        plain = json.loads((folder / "report.json").read_text())
        change(plain)
        (folder / "report.json").write_text(json.dumps(plain))

    return edit


def _edit_row(number: int, **change: object) -> Callable[[Path], object]:
    return lambda folder: edit_rows(folder, lambda rows: rows[number].update(change))


def _no_detail(folder: Path) -> None:
    table = pq.read_table(folder / "results.parquet")
    pq.write_table(table.drop_columns(["detail"]), folder / "results.parquet")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_edit_row(0, value=0.9), "numbers: auc of loss on none, all: 0.9 ["),
        (_edit_row(0, hi=0.9), "numbers: auc of loss on none, all: "),
        (_edit_row(0, value=0.9), "digest: results.parquet was changed"),
        (_edit(lambda p: p.update(title="x")), "digest: report.json was changed"),
        (
            _edit(lambda p: p["verdict"].update(text="This model is safe.")),
            "verdict: the rows give another verdict",
        ),
        (
            lambda f: (f / "report.html").write_text((f / "report.html").read_text() + " "),
            "digest: report.html was",
        ),
        (lambda f: (f / "report.html").unlink(), "report.html: missing"),
        (lambda f: (f / "scores.parquet").unlink(), "scores.parquet: missing"),
        (lambda f: (f / "scores.parquet").write_bytes(b"x"), "scores.parquet: no file of leakbench"),
        (lambda f: (f / "records.parquet").write_bytes(b"x"), "digest: records.parquet was changed"),
        (lambda f: (f / "results.parquet").unlink(), "results.parquet: missing"),
        (lambda f: (f / "results.parquet").write_bytes(b"x"), "rows: "),
        (_edit_row(-1, target="nobody"), "digest: results.parquet was changed"),
        (
            _edit(lambda p: p.update(results=[{"metric": "auc", "value": 0.5}])),
            "digest: report.json was changed",
        ),
        (_no_detail, "rows: "),
        (lambda f: edit_rows(f, lambda rows: rows.pop()), "digest: results.parquet was changed"),
    ],
)
def test_what_differs_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], object], said: str
) -> None:
    change(folder)
    assert any(each.startswith(said) for each in differing(folder)), differing(folder)
    assert main(["verify", str(folder)]) == 1
    assert "findings differ" in capsys.readouterr().out


def test_scores_of_another_run_are_told_by_their_numbers(
    audited: Results, folder: Path, tmp_path: Path
) -> None:
    """Another run whose files are all in order, but whose scores do not give its rows."""
    (case,) = audited.scores
    flipped = replace(case, ranks={"loss": case.ranks["loss"].max() + 1 - case.ranks["loss"]})
    write(replace(audited, scores=[flipped]), tmp_path / "wrong")
    found = differing(tmp_path / "wrong")
    assert found and all(each.startswith("numbers: ") for each in found) and found[-1].endswith("more rows")
    shutil.copy(tmp_path / "wrong" / "scores.parquet", folder / "scores.parquet")
    assert any(each.startswith("scores.parquet: of another run") for each in differing(folder))


def test_other_versions_are_a_note(audited: Results, tmp_path: Path) -> None:
    versions = audited.provenance["versions"] | {"numpy": "1.0"}
    write(replace(audited, provenance=audited.provenance | {"versions": versions}), tmp_path)
    (found,) = (each for each in verify(tmp_path) if each.part == "versions")
    assert isinstance(found, Finding) and found.status == "note" and found.text.startswith("numpy 1.0, here ")
    assert differing(tmp_path) == []


def test_a_report_that_has_no_arrays_misses_none(tmp_path: Path) -> None:
    old = Path(__file__).parents[1] / "report" / "old_report"
    Results.load(old).save(tmp_path)
    found = {each.part: each.status for each in verify(tmp_path)}
    assert {found[name] for name in ("records.parquet", "scores.parquet", "curves.parquet")} == {"note"}
    assert "differs" not in found.values()


def test_what_is_no_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="cannot read"):
        verify(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    assert main(["verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
