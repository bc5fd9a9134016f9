"""Hostile study files: a study or one line, in bounded time and memory; and values that no machine can take."""

import os
from collections import Counter
from pathlib import Path

import pytest

from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.pipeline.study import Study

from .audits import bounded
from .studies import hostile_study, outcome

FEW, MANY = 100, 5_000
TABLE = {"data": {"name": "digits"}, "attacks": ["loss"]}


def _tried(numbers: range, folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in numbers:
        path = hostile_study(number, folder)
        try:
            with bounded(path.stat().st_size):
                found[outcome(path)] += 1
        except BaseException as error:
            error.add_note(f"hostile study {number}")
            raise
    return found


def test_hostile_studies(tmp_path: Path) -> None:
    found = _tried(range(FEW), tmp_path)
    assert found["right"] >= 10 and found["refused"] >= 30


@pytest.mark.slow
def test_many_hostile_studies(tmp_path: Path) -> None:
    found = _tried(range(FEW, FEW + MANY), tmp_path)
    assert found["right"] >= 500 and found["refused"] >= 1500


def test_a_study_is_a_regular_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path / "pipe.toml", tmp_path, "/dev/zero"):
        assert main(["run", str(path), "--out", str(tmp_path / "r"), "--store", str(tmp_path / "s")]) == 2
        said = capsys.readouterr().err
        assert "must be a TOML study file, got a folder, a pipe or a device" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"seed": 10**30}, r"study.seed must be a finite number below 2\^63"),
        ({"stages": [{"epochs": 10**30}]}, r"study.stages.0.epochs must be a finite"),
        ({"query": {"noise_scale": float("inf")}}, r"study.query.noise_scale must be a finite"),
        ({"design": {"name": "random_half", "models": 10**9}}, "at most 100000"),
        ({"design": {"name": "disjoint", "shadows": 10**9}}, "at most 100000"),
        ({"design": {"name": "single", "shadows": 10**9}}, "at most 100000"),
        ({"stages": [{"batch_size": 2**40}]}, "batch_size must be"),
        ({"stages": [{"optimiser": {"lr": 1e300}}]}, "must be"),
        ({"stages": [{"stage": ["train"]}]}, "unknown stage"),
        ({"data": {"name": "digits", "resize": 10**9}}, "resize must be at most"),
        ({"architecture": {"name": "wrn", "depth": 6004}}, "depth must be"),
        ({"group_size": 0}, "group_size must be at least 1"),
    ],
)
def test_what_no_machine_can_take_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Study.of(TABLE | change)


def test_a_network_that_does_not_fit_into_memory() -> None:
    pytest.importorskip("torch")
    from leakbench.train.networks.build import unset
    from leakbench.train.recipe import Architecture

    with pytest.raises(InputError, match="must fit into memory"):
        unset(Architecture(hidden=(10**15,)), (64,), 10)
