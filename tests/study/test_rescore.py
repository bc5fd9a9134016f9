"""Attacks that are added later give the numbers of a run that had them from the start, and train nothing."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.core.results import BEST, Row
from leakbench.pipeline import train
from leakbench.pipeline.rescore import _other_numbers, _together, rescore
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.report.results import Results

TABLE = {
    "title": "small",
    "group_size": 4,
    "data": {"name": "digits", "records": 160},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 3}],
    "defences": ["none", {"name": "rounding", "decimals": 2}],
    "attacks": ["gap", "loss"],
    "metrics": ["auc"],
    "non_adaptive": False,
    "query": {"views": ["identity", "noise:0.4x6"]},
}
ADDED = ["calibration", {"name": "label_only_count", "label": "views"}]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of a study, and its store."""
    folder = tmp_path_factory.mktemp("before")
    run(Study.of(TABLE), folder / "store").save(folder / "report")
    return folder


def timeless(results: Results) -> list[Row]:
    return [row for row in results.rows if not row.metric.startswith(("train_", "latency_"))]


def test_the_numbers_are_those_of_a_run_with_all_attacks(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = run(Study.of(TABLE | {"attacks": [*TABLE["attacks"], *ADDED]}), tmp_path / "store")
    monkeypatch.setattr(train, "train_group", None)  # no model is trained
    again = rescore(before / "report", ADDED, before / "store")
    assert timeless(again) == timeless(fresh) and again.study == fresh.study
    assert {"calibration", "views", "gap", "loss"} <= {row.attack for row in again.rows}
    assert {r.selected for r in again.find(attack=BEST)} - {"gap", "loss"}
    assert (again.curves, again.flags, again.notes) == (fresh.curves, fresh.flags, fresh.notes)
    for one, other in zip(again.scores, fresh.scores, strict=True):
        assert one.ranks.keys() == other.ranks.keys()
        assert all(np.array_equal(one.ranks[a], other.ranks[a]) for a in one.ranks)


def test_an_attack_of_the_same_label_is_replaced(before: Path) -> None:
    assert _together("mia-prune", ["standard-2027", "nn"]) == [
        "nn_top3",
        "nn_cls",
        "samia",
        "standard-2027",
        "nn",
    ]
    assert _together(["gap", "loss"], "lira") == ["gap", "loss", "lira"]
    assert _together(["gap", "loss"], [{"name": "entropy", "label": "loss"}])[0] == "gap"
    results = Results.load(before / "report")
    rows = [replace(r, value=r.value + 1e-6) if r.attack == "loss" else r for r in results.rows]
    (note,) = _other_numbers(results, replace(results, rows=rows))
    assert " numbers of loss are not those of the report before" in note
    assert _other_numbers(results, results) == []


def test_what_cannot_be_measured_again_is_refused(before: Path, tmp_path: Path) -> None:
    def refused(folder: Path, said: str, store: Path = before / "store") -> None:
        with pytest.raises(InputError, match=said):
            rescore(folder, "lira", store)

    refused(before / "report", "lacks 4 of 4", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    part = shutil.copytree(before / "store", tmp_path / "part")
    shutil.rmtree(next((part / "models").iterdir()))
    refused(before / "report", "lacks 1 of 4; name the study's store", part)
    results = replace(Results.load(before / "report"), tables={}, identity="")
    replace(results, kind="audit").save(tmp_path / "audit")
    refused(tmp_path / "audit", "keeps no outputs of models")
    data = results.provenance["data"] | {"fingerprint": "0"}
    replace(results, provenance=results.provenance | {"data": data}).save(tmp_path / "other")
    refused(tmp_path / "other", "with the fingerprint 0, got")
    shutil.copytree(before / "report", tmp_path / "edited")
    report = tmp_path / "edited" / "report.json"
    report.write_text(report.read_text().replace('"small"', '"tiny"'))
    refused(tmp_path / "edited", "was changed after it was written")


def test_the_command_writes_the_new_report(before: Path, tmp_path: Path) -> None:
    report, store, out = (str(path) for path in (before / "report", before / "store", tmp_path / "out"))
    assert main(["rescore", report, "--attacks", "entropy", "--store", store, "--out", out]) == 0
    found = Results.load(tmp_path / "out")
    assert {"gap", "loss", "entropy"} <= {row.attack for row in found.rows}
    assert main(["rescore", report, "--attacks", "lirra", "--store", store, "--out", out]) == 2
