"""A hostile report.json is drawn, or refused in one line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import leakbench
from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.report.results import Results

from .audits import bounded
from .hostile_json import json_text

FEW, MANY = 100, 2000


@pytest.fixture(scope="module")
def plain() -> dict:
    """What a small audit found."""
    rng = np.random.default_rng(0)
    members = np.arange(60) < 30
    return leakbench.audit(losses=rng.exponential(np.where(members, 0.5, 1.0)), members=members).to_dict()


def _load(content: bytes, folder: Path) -> str:
    file = folder / "other.json"
    file.write_bytes(content)
    try:
        with bounded(len(content)):
            Results.load(file)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000, error
        return "refused"
    return "right"


def test_hostile_reports(plain: dict, tmp_path: Path) -> None:
    found = [_load(json_text(plain, np.random.default_rng([3, i])), tmp_path) for i in range(FEW)]
    assert min(found.count("refused"), found.count("right")) > 10


def test_hostile_reports_beside_their_rows(plain: dict, tmp_path: Path) -> None:
    Results.from_dict(plain).save(tmp_path)
    saved = json.loads((tmp_path / "report.json").read_text())
    found = [_load(json_text(saved, np.random.default_rng([5, i])), tmp_path) for i in range(FEW)]
    assert min(found.count("refused"), found.count("right")) > 10


@pytest.mark.slow
def test_many_hostile_reports_are_drawn_or_refused(plain: dict, tmp_path: Path, capsys) -> None:
    codes = []
    for i in range(MANY):
        file = tmp_path / "other.json"
        file.write_bytes(json_text(plain, np.random.default_rng([4, i])))
        with bounded(file.stat().st_size):
            codes.append(main(["report", str(file)]))
        said = capsys.readouterr().err.splitlines()
        assert codes[-1] in (0, 2), (i, said)
        assert codes[-1] == 0 or sum(line.startswith("error: ") for line in said) == 1, (i, said)
    assert set(codes) == {0, 2}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"title": 5}, "title must be text, got 5"),
        ({"notes": [[]]}, r"notes.0 must be text, got \[\]"),
        ({"methods": ["x"]}, "methods.0 must be a table of keys, got 'x'"),
        ({"provenance": []}, "provenance must be a table of keys"),
        ({"results": 1}, "not as leakbench wrote it"),
        ({"results": [{}]}, "metric"),
        ({"results": [{"metric": "auc", "value": "x" * 10_000}]}, "value"),
        ({"spam": 1}, "unexpected keyword argument 'spam'"),
        ({"schema": {"a": 1}}, "must have schema"),
    ],
)
def test_what_is_not_as_it_must_be(plain: dict, tmp_path: Path, change: dict, says: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps(plain | change))
    with pytest.raises(InputError, match=says) as caught:
        Results.load(tmp_path)
    assert len(str(caught.value)) < 1000 and "\n" not in str(caught.value)


def test_what_cannot_be_drawn_is_one_line(plain: dict, tmp_path: Path, capsys) -> None:
    deep = plain | {"provenance": {"deep": json.loads("[" * 900 + "]" * 900)}}
    (tmp_path / "report.json").write_text(json.dumps(deep))
    assert main(["report", str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()
    assert (
        len(error) == 1
        and error[0].startswith("error: ")
        and "it cannot be drawn (RecursionError" in error[0]
    )
    assert not (tmp_path / "report.html").exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(InputError, match="not a regular file"):
        Results.load(tmp_path)
