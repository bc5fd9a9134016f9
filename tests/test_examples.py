"""The examples run as they stand, and find what they say."""

import contextlib
import importlib.util
import io
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import numpy as np
import pytest

from leakbench.report.results import Results

NETWORKS = {
    "lightning": "lightning",
    "huggingface": "transformers",
    "keras": "keras",
}  # what each example needs
EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, folder: Path, *arguments: object) -> str:
    """What the example prints, run as a script in `folder`."""
    shown, script = io.StringIO(), str(EXAMPLES / name)
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(shown),
        patch.object(sys, "argv", [script, *map(str, arguments)]),
    ):
        runpy.run_path(script, run_name="__main__")
    return shown.getvalue()


def test_every_example_is_tested() -> None:
    saved = {"sklearn_audit.py", "pytorch_audit.py", "keras_audit.py", "founders_table.py"}
    trained = {"sklearn_pipeline.py", "boosting_rounds.py", "pytorch_training.py"}
    trained |= {f"{library}_training.py" for library in ("lightgbm", "xgboost", *NETWORKS)}
    assert {path.name for path in EXAMPLES.glob("*.py")} == saved | trained


def test_sklearn(tmp_path: Path) -> None:
    assert "wrote forest.npz" in run("sklearn_audit.py", tmp_path)
    assert (tmp_path / "forest.npz").exists()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_pytorch(tmp_path: Path) -> None:
    run("pytorch_audit.py", tmp_path)
    results = Results.load(tmp_path / "digits-report")
    (gap,) = results.find(attack="gap", metric="auc", slice="all")
    assert gap.lo > 0.55  # the network knows its noisy digits by heart
    slices = {row.slice for row in results.find(attack="loss", metric="auc")}
    assert {"all", "class=0", "correct=yes", "correct=no", "loss=0-20%"} <= slices
    assert {"class=0", "correct=yes", "loss=80-100%"} <= {curve.slice for curve in results.curves}
    page = (tmp_path / "digits-report" / "report.html").read_text()
    assert "ROC of each slice" in page


@pytest.mark.slow
@pytest.mark.parametrize("data", ["adult", "digits"])
def test_a_pipeline(tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if data == "digits":
        monkeypatch.delenv("LEAKBENCH_DATA", raising=False)
    elif not (Path(os.environ.get("LEAKBENCH_DATA", "")) / "adult").is_dir():
        pytest.skip("needs LEAKBENCH_DATA with adult")
    assert "leakage" in run("sklearn_pipeline.py", tmp_path)
    results = Results.load(tmp_path / "forest-report")
    (rmia,) = results.find(attack="rmia", metric="auc", slice="all", target="all")
    assert rmia.lo > 0.7  # leaves of two records are nearly the records themselves


@pytest.mark.slow
def test_more_rounds_of_boosting_leak_more(tmp_path: Path) -> None:
    lines = run("boosting_rounds.py", tmp_path).splitlines()[1:]
    aucs = [float(line.split()[2]) for line in lines]
    assert len(aucs) == 3 and aucs == sorted(aucs) and aucs[-1] > aucs[0] + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("library", NETWORKS)
def test_networks_of_other_libraries(library: str, tmp_path: Path) -> None:
    """In a process of its own: these libraries warn of what others deprecate, and Keras takes its backend at import."""
    pytest.importorskip(NETWORKS[library])
    command = [sys.executable, str(EXAMPLES / f"{library}_training.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "Results of 'Audit of fit'" in done.stdout, done.stderr
    (report,) = tmp_path.glob("*-report")
    rows = Results.load(report).find(metric="auc", slice="all", target="all")
    assert max(row.lo for row in rows) > 0.51


@pytest.mark.slow
def test_lightgbm_that_stops_early_leaks_less(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    lines = run("lightgbm_training.py", tmp_path).splitlines()[1:]
    few, many, early = (float(line[24:29]) for line in lines)
    assert few < early < many - 0.02


@pytest.mark.slow
def test_xgboost(tmp_path: Path) -> None:
    pytest.importorskip("xgboost")
    assert "Results of 'Audit of fit'" in run("xgboost_training.py", tmp_path)
    (rmia,) = Results.load(tmp_path / "xgboost-report").find(
        attack="rmia", metric="auc", slice="all", target="all"
    )
    assert rmia.lo > 0.6
    assert len(list((tmp_path / "xgboost-store" / "outputs").iterdir())) == 8


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_a_training_loop(tmp_path: Path) -> None:
    assert "Results of 'Audit of fit'" in run("pytorch_training.py", tmp_path)
    assert len(list((tmp_path / "network-store" / "outputs").iterdir())) == 6


def test_keras_differs_from_pytorch_in_training_and_saving_alone() -> None:
    texts = {name: (EXAMPLES / f"{name}_audit.py").read_text() for name in ("pytorch", "keras")}
    compile(texts["keras"], "keras_audit.py", "exec")
    after = {
        name: text.split("\n\n\nx, y = ")[1].replace("PyTorch", "Keras").replace("torch.from_numpy", "")
        for name, text in texts.items()
    }
    assert (
        after["pytorch"].replace("train((x_train), (y_train))", "train(x_train, y_train)") == after["keras"]
    )


@pytest.fixture(scope="module")
def founders() -> ModuleType:
    spec = importlib.util.spec_from_file_location("founders_table", EXAMPLES / "founders_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["founders_table"] = module
    spec.loader.exec_module(module)
    return module


def test_the_closed_form_is_what_a_second_attacker_above_the_first_reads(founders: ModuleType) -> None:
    """Scores 1 of the first attacker and 2 of the second, counted record by record."""
    members, others = 60, 10
    second = np.concatenate([np.arange(members) >= others // 2, np.arange(others) >= others // 2])
    member = np.arange(members + others) < members
    high, low = founders.closed_form(members, others)
    for reading, scores in ((high, 1.0 + second), (low, 2.0 - second)):
        found = founders.Reading.of(scores, member)
        assert found.auc == pytest.approx(reading.auc) and found.advantage == pytest.approx(reading.advantage)
    assert (high.auc, high.advantage) == pytest.approx((0.7083, 0.4167), abs=1e-4)


def test_the_protocol_reads_leakage_into_noise_and_the_audit_does_not(founders: ModuleType) -> None:
    worlds = [founders.world(seed, 12_000, 2_000) for seed in range(4)]
    (high, _) = founders.closed_form(12_000, 2_000)
    for world in worlds:
        trained = [world.pooled["logistic regression"], world.pooled["multilayer perceptron"]]
        assert max(r.advantage for r in trained) > 0.25
        assert all(r.advantage < high.advantage + 0.02 for r in trained)
        assert all(abs(r.auc - 0.5) < 0.04 for r in world.balanced.values())
        assert abs(world.pooled["threshold"].auc - 0.5) < 0.03
    aucs = [auc for world in worlds for auc, _ in world.audit.values()]
    assert sum(row.lo <= 0.5 <= row.hi for row in aucs) >= len(aucs) - 1
    nearest = min(abs(r.advantage - high.advantage) for w in worlds for r in w.pooled.values())
    assert nearest < 0.02  # the closed form is reached


def test_the_founders_page(tmp_path: Path) -> None:
    told = run("founders_table.py", tmp_path, "--worlds", 1, "--out", "page.html")
    assert "AUC 0.292 to 0.708" in told
    page = (tmp_path / "page.html").read_text()
    assert page.count("<tr>") > 26 and "<svg" in page
    assert not any(load in page for load in ("http-equiv", "<script", "src=", "<link"))
