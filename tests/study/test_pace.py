"""One process or one a core: by what the models that are missing promise to take."""

import dataclasses
from pathlib import Path

import pytest

from leakbench.pipeline import autotune_processes as pace
from leakbench.pipeline.autotune_processes import fastest_processes
from leakbench.pipeline.steps import open_trainer
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import Trainer
from leakbench.train.recipe.engine import Engine

TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 5}],
}


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Four models of 150 records each; a machine of 8 cores, on which workers start in 2 seconds."""
    monkeypatch.setattr(pace, "cores", lambda: 8)
    monkeypatch.setattr(pace, "START", 2.0)
    return open_trainer(Study.of(TABLE), tmp_path)


@pytest.mark.parametrize(
    ("one_pass", "processes"), [(0.2, 8), (0.05, 1)]
)  # 4 models, 5 epochs: 4 and 1 seconds
def test_workers_start_where_training_takes_longer_than_their_start(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, one_pass: float, processes: int
) -> None:
    monkeypatch.setattr(pace, "seconds_each", lambda dataset, jobs: one_pass)
    assert fastest_processes(trainer, [Study.of(TABLE).recipe]) == processes


def test_there_are_no_workers_where_nothing_is_left_or_a_gpu_trains(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "seconds_each", lambda dataset, jobs: 1000.0)
    recipe = Study.of(TABLE).recipe
    assert fastest_processes(dataclasses.replace(trainer, engine=Engine("cuda")), [recipe]) == 1
    trainer.train([recipe])
    assert fastest_processes(trainer, [recipe]) == 1
