"""What a dry run lists is what the run then does."""

from pathlib import Path

import numpy as np
import pytest

from leakbench.cli.terminal import show_forecast
from leakbench.evaluation.attack_cost import AttackCost
from leakbench.evaluation.measure import Case
from leakbench.pipeline.dry_run import Work, _seconds_and_bytes, forecast
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study

TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [128]},
    "stages": [{"epochs": 5}],
    "defences": [
        "temperature",
        {"name": "pruning", "label": "pruned", "sparsity": 0.5, "epochs": 2},
        {"name": "pruning", "label": "pruned-0.8", "sparsity": 0.8, "epochs": 2},
    ],
    "attacks": ["loss"],
    "metrics": ["auc"],
    "non_adaptive": False,
}


def _disk(store: Path, *kinds: str) -> int:
    files = (f for kind in kinds for f in (store / kind).rglob("*") if f.is_file() and f.name != "job.json")
    return sum(f.stat().st_size for f in files)


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attacks are measured on fewer records than a study of any size needs."""
    monkeypatch.setattr("leakbench.pipeline.dry_run.TRACED_RECORDS", 100)
    monkeypatch.setattr("leakbench.evaluation.attack_cost.SIZES", (100, 200))
    monkeypatch.setattr("leakbench.evaluation.attack_cost.FEW", 50)


@pytest.mark.usefixtures("small_samples")
def test_a_dry_run_makes_nothing_and_tells_what_a_run_makes(tmp_path: Path) -> None:
    views = {"attacks": ["loss", "label_only_count"], "query": {"views": ["noise:0.3x20"], "noise": 2}}
    study, store = Study.of(TABLE | views), tmp_path / "store"
    before = {work.what: work for work in forecast(study, store)}
    assert not store.exists()
    assert {what: (work.pieces, work.left) for what, work in before.items()} == {
        "training: none, temperature": (4, 4),
        "training: pruned": (4, 4),
        "training: pruned-0.8": (4, 4),
        "logits": (12, 12),
        "perturbed views": (12, 12),  # temperature keeps the classes that `none` predicts
        "attacks": (4, 4),
    }
    assert all(work.seconds is not None and work.seconds > 0 for work in before.values())
    run(study, store, processes=1)
    after = {work.what: work for work in forecast(study, store)}
    for what, work in after.items():
        assert (work.left, work.seconds, work.disk) == (0, 0, 0), what
    # what is pruned goes on from the training of `none`, which is listed once
    made = sum(work.disk for what, work in before.items() if what.startswith("training"))
    assert made == pytest.approx(_disk(store, "models"), rel=0.1)
    assert before["logits"].disk == pytest.approx(_disk(store, "signals"), rel=0.1)
    assert before["perturbed views"].disk == pytest.approx(_disk(store, "predictions"), rel=0.1)


@pytest.mark.usefixtures("small_samples")
def test_what_is_left_after_a_change_is_listed(tmp_path: Path) -> None:
    noise = {"name": "laplace_noise", "scale": 0.1}
    table = TABLE | {"defences": ["none", noise], "non_adaptive": True}
    run(Study.of(table), tmp_path, processes=1)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = {work.what: work.left for work in forecast(Study.of(table), tmp_path)}
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert set(done.values()) == {0} and "released outputs: laplace_noise" in done
    again = forecast(Study.of(table | {"attacks": ["loss", "gap"]}), tmp_path)
    assert {work.what: work.left for work in again if work.left} == {"attacks": 3}
    wider = forecast(Study.of(table | {"defences": ["none", noise | {"scale": 0.2}]}), tmp_path)
    assert {work.what: work.left for work in wider if work.left} == {
        "released outputs: laplace_noise": 4,
        "attacks": 3,
    }
    damaged = next((tmp_path / "signals").glob("*/logits.npy"))
    damaged.write_bytes(b"")
    left = {work.what: work.left for work in forecast(Study.of(table), tmp_path)}
    assert left["logits"] == 1 and damaged.exists() and not (tmp_path / "damaged").exists()


@pytest.mark.usefixtures("small_samples")
def test_what_attacks_take_is_that_of_one_case_times_the_cases_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cost(case: Case, attacks: dict, metrics: object, seed: int) -> AttackCost:
        assert case.models.signals.shape == (4, 1, 300) and list(attacks) == ["loss", "lira"]
        return AttackCost({"loss": 1.0, "lira": 2.0}, 6.0)

    monkeypatch.setattr("leakbench.pipeline.dry_run.attack_cost", cost)
    monkeypatch.setattr("leakbench.pipeline.dry_run.cores", lambda: 1)
    table = TABLE | {"attacks": ["loss", "lira"], "non_adaptive": True}
    (work,) = (work for work in forecast(Study.of(table), tmp_path) if work.what == "attacks")
    assert (work.pieces, work.seconds) == (7, 7 * 9.0)
    assert work.memory > 8 * 4 * 300 * 10  # at least a number for each model, record and class


def test_queries_take_what_their_calls_take_whatever_the_records_and_what_each_record_adds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr("leakbench.pipeline.dry_run.time.process_time", lambda: clock[0])

    def work(rows: np.ndarray) -> np.ndarray:
        clock[0] += 3 + 0.5 * len(rows)
        return np.zeros((2, len(rows)), np.float32)

    assert _seconds_and_bytes(work, np.arange(1000), few=100) == (3 + 0.5 * 1000, 8 * 1000)
    assert _seconds_and_bytes(work, np.arange(50), few=100) == (3 + 0.5 * 50, 8 * 50)


def test_the_table_shows_what_was_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    show_forecast([
        Work("training: none", 16, 4, 100.0, 3e6),
        Work("released outputs: memguard", 16, 16, None),
        Work("logits", 16, 0),
        Work("attacks", 9, 9, 7300.0, 0.0, 2.5e9),
    ])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert any("training: none" in line and "1 min 40 s" in line and "3 MB" in line for line in lines)
    assert any("memguard" in line and "not measured" in line for line in lines)
    assert lines[-1] == "about 2 h 3 min and what was not measured; 3 MB of disk; up to 2.5 GB of memory"
