"""A report of what there is, while a run goes on."""

import threading
import time
from pathlib import Path

import pytest

from leakbench.cli.partial_report import PartialReport
from leakbench.core.log import logged_to
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.report.results import Results

TABLE = {
    "group_size": 4,
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 5}],
    "defences": ["none", "label_smoothing", "temperature"],
    "attacks": ["loss"],
    "metrics": ["auc"],
}


def test_results_grow_as_defences_are_attacked(tmp_path: Path) -> None:
    seen: list[Results] = []
    results = run(Study.of(TABLE), tmp_path / "store", growing=lambda so_far: seen.append(so_far()))
    seen.sort(key=lambda each: len(each.rows))
    assert len(seen) == 3
    attacked = [{row.defence for row in each.find(metric="auc", attack="loss")} for each in seen]
    assert [len(defences) for defences in attacked] == [1, 2, 3]
    for n, each in enumerate(seen, 1):
        assert f"unfinished: {n} of 3 defences were attacked so far" in each.notes
        assert {row.defence for row in each.find(metric="accuracy")} == {
            "none",
            "label_smoothing",
            "temperature",
        }
    page = seen[0].save(tmp_path / "after 1")
    assert "unfinished: " in page.read_text(encoding="utf-8")
    assert not any("unfinished" in note for note in results.notes)
    final = [row for row in results.rows if row.metric == "auc" and row.attack == "loss"]
    assert [row for row in seen[-1].rows if row in final] != []
    assert {row.defence for row in results.find(metric="auc-difference")} == {
        "label_smoothing",
        "temperature",
    }


class _Slow:
    """Results whose writing takes a tenth of a second."""

    def __init__(self) -> None:
        self.written = 0

    def save(self, folder: Path) -> Path:
        time.sleep(0.1)
        self.written += 1
        folder.mkdir(exist_ok=True, parents=True)
        return folder


def test_reports_take_a_small_share_of_the_time(tmp_path: Path) -> None:
    slow, unfinished = _Slow(), PartialReport(tmp_path)
    began = time.monotonic()
    while time.monotonic() < began + 1.0:
        unfinished(lambda: slow)  # type: ignore[arg-type, return-value]
        time.sleep(0.001)
    assert slow.written == 1  # the next one is due after 2 s
    unfinished.remove()
    assert not (tmp_path / "unfinished").exists()


def test_two_threads_do_not_write_at_once(tmp_path: Path) -> None:
    slow, unfinished = _Slow(), PartialReport(tmp_path)
    threads = [threading.Thread(target=unfinished, args=(lambda: slow,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slow.written == 1


def test_a_report_that_cannot_be_written_is_logged_and_ends_nothing(tmp_path: Path) -> None:
    unfinished, log = PartialReport(tmp_path), tmp_path / "log.jsonl"

    def fails() -> Results:
        raise OSError("full")

    with logged_to(log):
        unfinished(fails)
    assert "OSError: full" in log.read_text()


def test_none_is_written_in_the_first_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leakbench.cli.partial_report.FIRST", 10.0)
    slow = _Slow()
    PartialReport(tmp_path)(lambda: slow)  # type: ignore[arg-type, return-value]
    assert slow.written == 0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leakbench.cli.partial_report.FIRST", 0.0)
