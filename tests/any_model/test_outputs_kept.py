"""The outputs of the models: kept under what determines them, and the same from any number of processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

import leakbench
from leakbench import InputError, Results
from leakbench.core.progress import NullProgress
from leakbench.core.store import open_store
from leakbench.pipeline.any_model.audit_training import _training
from leakbench.pipeline.any_model.training import train_all

X, Y = (part[:300] for part in load_digits(return_X_y=True))


def audited(code: Any, x: Any = X, y: Any = Y, **settings: Any) -> Results:
    few = {"models": 4, "attacks": ["loss"], "processes": 1, "progress": False}
    return leakbench.audit_training(code, x, y, **few | settings)


def counted(calls: list[int]) -> Callable[..., Any]:
    def fit(x: Any, y: Any, seed: int) -> Any:
        calls.append(seed)
        return DecisionTreeClassifier(random_state=seed).fit(x, y).predict_proba

    return fit


def kept(store: Path) -> list[Path]:
    return sorted(path for path in (store / "outputs").glob("*/*"))


def test_a_second_call_trains_nothing_and_tells_the_same(tmp_path: Path) -> None:
    calls: list[int] = []
    first = audited(counted(calls), store=tmp_path, version="tree 1")
    again = audited(counted(calls), store=tmp_path, version="tree 1")
    assert len(calls) == len(set(calls)) == 4 and again.rows == first.rows
    assert {path.suffix for path in kept(tmp_path)} == {".npy", ".json"}
    audited(counted(calls), store=tmp_path, version="tree 2")
    audited(counted(calls), x=X + 1, store=tmp_path, version="tree 1")
    audited(counted(calls), y=9 - Y, store=tmp_path, version="tree 1")
    audited(counted(calls), seed=1, store=tmp_path, version="tree 1")
    assert len(calls) == 20


def test_other_members_are_another_model(tmp_path: Path) -> None:
    """The seeds of two designs may be the same."""
    calls: list[int] = []
    training = _training(counted(calls), X, Y, models=2, seed=0)
    for each in (training, replace(training, members=~training.members), training):
        train_all(each, 1, NullProgress(), open_store(tmp_path), {"code": "tree 1"})
    assert len(calls) == 4


def test_without_a_version_nothing_of_a_function_is_kept_and_that_is_told(tmp_path: Path) -> None:
    results = audited(counted([]), store=tmp_path)
    assert not kept(tmp_path) and any("give version=" in note for note in results.notes)
    assert not any("version" in note for note in audited(counted([])).notes)


def test_an_estimator_is_known_by_its_parameters(tmp_path: Path) -> None:
    def entries(code: Any, **settings: Any) -> int:
        audited(code, store=tmp_path, models=2, **settings)
        return len(kept(tmp_path)) // 2

    log = FunctionTransformer(np.log1p)
    assert entries(make_pipeline(log, DecisionTreeClassifier())) == 2
    assert entries(make_pipeline(log, DecisionTreeClassifier())) == 2
    assert entries(make_pipeline(log, DecisionTreeClassifier(max_depth=3))) == 4
    assert entries(make_pipeline(FunctionTransformer(np.sqrt), DecisionTreeClassifier())) == 6
    own = make_pipeline(FunctionTransformer(lambda x: x + 1), GaussianNB())
    with pytest.raises(InputError, match=r"function as Pipeline.steps\[0\]\[1\].func; give version="):
        entries(own)
    assert entries(own, version="plus 1") == 8


def test_a_damaged_entry_is_trained_again(tmp_path: Path) -> None:
    calls: list[int] = []
    first = audited(counted(calls), store=tmp_path, version="1")
    next(path for path in kept(tmp_path) if path.suffix == ".npy").write_bytes(b"")
    assert audited(counted(calls), store=tmp_path, version="1").rows == first.rows and len(calls) == 5


KILLED = """
import sys, time
from sklearn.datasets import load_digits
from sklearn.tree import DecisionTreeClassifier
import leakbench

x, y = (part[:300] for part in load_digits(return_X_y=True))
trained = []

def fit(x, y, seed):
    trained.append(seed)
    if len(trained) == 3:
        print("third", flush=True)
        time.sleep(600)
    return DecisionTreeClassifier(random_state=seed).fit(x, y).predict_proba

leakbench.audit_training(fit, x, y, models=4, store=sys.argv[1], version="1", processes=1, progress=False)
"""


def test_a_killed_run_continues(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None and run.stdout.readline() == b"third\n"
        os.kill(run.pid, signal.SIGKILL)
    calls: list[int] = []
    results = audited(counted(calls), store=tmp_path, version="1")
    assert len(calls) == 2 and results.rows == audited(counted([])).rows


def without_files(x: Any, y: Any, seed: int) -> Any:
    """Holds more than a megabyte, which joblib would write to a file, pickled, to send it to a worker."""
    time.sleep(0.2)
    found = [path for path in Path(os.environ["JOBLIB_TEMP_FOLDER"]).rglob("*") if path.is_file()]
    if found:
        raise RuntimeError(f"{found[0]} is on the disk")
    return DecisionTreeClassifier(random_state=seed).fit(x, y).predict_proba


def failing(x: Any, y: Any, seed: int) -> Any:
    raise RuntimeError("no luck")


def test_processes_change_nothing_and_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    get_reusable_executor().shutdown()  # its workers have another environment
    wide = np.hstack([X, np.zeros((len(X), 1000))])
    one, two = (audited(without_files, wide, processes=processes) for processes in (1, 2))
    assert one.rows == two.rows
    with pytest.raises(InputError, match=r"^model \d of 4 .* failed: RuntimeError: no luck"):
        audited(failing, processes=2)
    lock = Lock()
    with pytest.raises(InputError, match="give processes=1"):
        audited(lambda x, y, seed: lock.locked(), processes=2)
