"""Worker processes: they do the work of a run, change none of its numbers, and end with it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from leakbench.core.progress import NullProgress
from leakbench.pipeline.executors.local import LocalExecutor
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import checked_recipes, open_trainer, query_models
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import Trainer

TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 5}],
    "defences": ["none", "label_smoothing", {"name": "laplace_noise", "scale": 0.1}],
    "attacks": ["loss"],
}
KINDS = {"models": 8, "signals": 8, "released": 4}


def _entries(store: Path) -> dict[str, int]:
    return {kind: len(list((store / kind).glob("*"))) for kind in KINDS}


def _weights(trainer: Trainer, study: Study) -> list[np.ndarray]:
    recipes = dict.fromkeys(checked_recipes(study, trainer.dataset).values())
    entries = [entry for recipe in recipes for entry in trainer.models(recipe)]
    return [w for entry in entries for w in entry.tensors("weights.safetensors").values()]


def test_a_worker_makes_models_and_logits_bit_for_bit(tmp_path: Path) -> None:
    study, executor = Study.of(TABLE), LocalExecutor(2)
    shared, alone = (open_trainer(study, tmp_path / name) for name in ("shared", "alone"))
    until = time.monotonic() + 60
    with executor.start_workers(study.describe(), shared.store.place):
        while _entries(shared.store.root) != KINDS and time.monotonic() < until:
            time.sleep(0.1)
    assert _entries(shared.store.root) == KINDS
    assert executor.lost == []
    query_models(study, Querier(alone), checked_recipes(study, alone.dataset), NullProgress())
    for a, b in zip(_weights(shared, study), _weights(alone, study), strict=True):
        assert np.array_equal(a, b)


def test_a_worker_that_fails_is_reported(tmp_path: Path) -> None:
    executor = LocalExecutor(2)
    with executor.start_workers(Study.of(TABLE).describe() | {"seed": "none"}, str(tmp_path)) as (worker,):
        worker.wait(60)
    (said,) = executor.lost
    assert "seed" in said


def test_a_worker_ends_when_its_run_is_gone(tmp_path: Path) -> None:
    endless = Study.of(TABLE | {"stages": [{"epochs": 1_000_000}]})
    command = [sys.executable, "-m", "leakbench", "work", "-", "--store", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(endless.describe()).encode() + b"\n")
        worker.stdin.flush()
        until = time.monotonic() + 60
        while not any((tmp_path / "locks").glob("models-*")) and time.monotonic() < until:
            time.sleep(0.05)  # until it has begun to train
        assert worker.poll() is None
        worker.stdin.close()
        assert worker.wait(timeout=10) == 1
