"""The history of the benchmarks reports which ratio fell."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[ModuleType, ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    run, ratios = importlib.import_module("run"), importlib.import_module("ratios")
    (tmp_path / "history.json").write_text("[]")
    monkeypatch.setattr(run, "HISTORY", tmp_path / "history.json")
    return run, ratios


def test_a_ratio_that_fell_by_more_than_a_fifth_is_reported(modules: tuple[ModuleType, ModuleType]) -> None:
    run, ratios = modules
    lines_of = [
        run.remembered("pages", ratios.Ratio("P", "a page", [ours], [10.0])) for ours in (1.0, 1.24, 1.3, 0.9)
    ]
    assert [len(lines) for lines in lines_of] == [0, 0, 1, 0] and "7.69x, was 10x" in lines_of[2][0]
    assert run.remembered("pages", ratios.Ratio("P", "another page", [5.0], [10.0])) == []
    assert [entry["ratio"] for entry in json.loads(run.HISTORY.read_text())] == [
        10.0,
        8.065,
        7.692,
        11.111,
        2.0,
    ]


def test_the_kept_history_is_as_it_is_read() -> None:
    kept = json.loads((BENCHMARKS / "history.json").read_text())
    assert kept and all(entry.keys() == {"section", "what", "cpu", "ratio", "leakbench"} for entry in kept)


def test_an_unknown_benchmark_is_refused_with_the_known_ones(modules: tuple[ModuleType, ModuleType]) -> None:
    with pytest.raises(SystemExit, match="there is no benchmark 'card'; choose from training"):
        modules[0].main(["card"])
