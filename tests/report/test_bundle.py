"""A bundle holds the report as it is, says what was not measured, and has the checksum of every file."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import leakbench
from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.report.bundle import bundle
from leakbench.report.checklist import checklist

from . import example


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an audit of scores without leakage."""
    folder, rng = tmp_path_factory.mktemp("made") / "report", np.random.default_rng(0)
    members = np.arange(400) < 200
    results = leakbench.audit(scores=rng.normal(size=400), members=members, title="<b>made</b>")
    results.save(folder)
    return folder


def test_the_files_are_those_of_the_report_and_have_their_checksums(report: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    assert main(["bundle", str(report), "--out", str(out)]) == 0
    sums = json.loads((out / "manifest.json").read_text())["sha256"]
    assert sums.keys() == {path.name for path in out.iterdir()} - {"manifest.json"}
    assert all(
        hashlib.sha256((out / name).read_bytes()).hexdigest() == digest for name, digest in sums.items()
    )
    assert {path.name for path in report.iterdir()} <= sums.keys()
    assert all((out / path.name).read_bytes() == path.read_bytes() for path in report.iterdir())
    page = (out / "checklist.html").read_text()
    assert "&lt;b&gt;made" in page and "<b>" not in page and "<script" not in page and "https://" not in page
    schema = json.loads((out / "schema.json").read_text())
    assert schema["parts"]["Row"]["properties"].keys() >= {"metric", "value", "lo", "hi"}
    assert main(["bundle", str(report), "--out", str(out)]) == 0  # in place of an earlier one
    (out / "schema.json").write_text("mine")
    assert main(["bundle", str(report), "--out", str(out)]) == 2


def test_what_was_not_measured_is_said() -> None:
    found = {item.question: item for item in checklist(example.audit())}
    status = {question: item.status for question, item in found.items()}
    assert status["Is the model tested against membership inference?"] == "measured"
    assert status["Is the model tested against attribute inference?"] == "not measured"
    assert status["Is privacy guaranteed by the training (differential privacy)?"] == "not measured"
    assert status["How many training records and parameters does the model have?"] == "not measured"
    assert all(item.found for item in found.values())
    nothing = {item.question: item.status for item in checklist(example.empty())}
    assert set(nothing.values()) - {"not measured"} == {"measured"}  # what limits the tests


def test_a_changed_report_is_refused(report: Path, tmp_path: Path) -> None:
    shutil.copytree(report, tmp_path / "a")
    (tmp_path / "a" / "report.html").write_text((report / "report.html").read_text() + " ")
    with pytest.raises(InputError, match="was changed after it was written"):
        bundle(tmp_path / "a", tmp_path / "b")
    with pytest.raises(InputError, match="a folder of its own"):
        bundle(report, report)
