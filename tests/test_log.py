"""The structured log: one JSON object a line, from every process of a run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leakbench.core.log import WARNING, event, log_file, logged_to
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study

TABLE = {
    "data": {"name": "digits", "records": 200},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [8]},
    "stages": [{"epochs": 2}],
    "defences": ["none", "temperature"],
    "attacks": ["loss"],
}


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_events_become_lines_while_a_log_is_open(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.jsonl"
    event("before")
    with logged_to(path):
        assert log_file() == path
        event("déjà", WARNING, what="a\nb", n=3)
    event("after")
    assert log_file() is None
    (line,) = _lines(path)
    assert (line["event"], line["level"], line["what"], line["n"]) == ("déjà", "warning", "a\nb", 3)
    assert str(line["time"]).endswith("Z") and line["process"]
    with logged_to(path):
        event("again")
    assert [line["event"] for line in _lines(path)] == ["déjà", "again"]


def test_no_log_is_asked_for_none_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    with logged_to(None):
        event("unheard", WARNING)
    assert capfd.readouterr() == ("", "")


def test_processes_append_to_one_file_without_tearing_lines(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from leakbench.core.log import event, logged_to\n"
        "with logged_to(sys.argv[1]):\n"
        "    for n in range(300):\n"
        "        event('n', who=sys.argv[2], n=n, text='x' * 200)\n"
    )
    path = tmp_path / "log.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(w)]) for w in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    lines = _lines(path)
    for w in range(3):
        assert [line["n"] for line in lines if line["who"] == str(w)] == list(range(300))


def test_a_run_says_what_it_does_and_workers_do_too(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with logged_to(path):
        run(Study.of(TABLE), tmp_path / "store", processes=2)
    lines = _lines(path)
    assert lines[0]["event"] == "run"
    assert {line["seed"] for line in lines if line["event"] == "trained"} and sum(
        line["event"] == "trained" for line in lines
    ) == 4
    attacked = [(line["defence"], line["assumed"]) for line in lines if line["event"] == "attacked"]
    assert sorted(attacked) == [("none", ["none"]), ("temperature", ["temperature", "none"])]
    done = [line["name"] for line in lines if line["event"] == "stage done"]
    assert done[:3] == ["data", "training", "queries"] and "attacks" in done
    kinds = [line["kind"] for line in lines if line["event"] == "stored"]
    assert (kinds.count("models"), kinds.count("signals")) == (4, 4)
    assert (
        kinds.count("findings") <= 2
    )  # a worker is ended as soon as the last of them is there, perhaps unsaid
