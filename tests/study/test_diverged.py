"""A model whose weights are not finite any more: named with its seed, left out, and nobody else is touched."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from leakbench.core.errors import LeakbenchError
from leakbench.core.seeds import derive
from leakbench.core.store import Store
from leakbench.data.dataset import Dataset
from leakbench.data.designs import DESIGNS
from leakbench.data.load import load
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.report.results import Results
from leakbench.train import run_stages as stages
from leakbench.train.job import Job, diverged
from leakbench.train.model import Model
from leakbench.train.recipe import Architecture, Recipe, Train

TABLE = {
    "group_size": 8,
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 8},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 5}],
    "defences": ["none", "label_smoothing", "temperature"],
    "attacks": ["loss"],
    "metrics": ["auc"],
    "frontier": ["none"],
}
TWO = TABLE | {"defences": ["none", "label_smoothing"]}
SEEDS = [derive(0, "model", m) for m in range(8)]
Poison = Callable[[Callable[[Job], bool]], None]


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Makes a weight of those models NaN before they are trained, for whose job `which` holds."""
    start = stages.start

    def poisoned(which: Callable[[Job], bool]) -> None:
        def begin(dataset: Dataset, job: Job) -> Model:
            model = start(dataset, job)
            if which(job):
                with torch.no_grad():
                    next(model.network.parameters())[0, 0] = torch.nan
            return model

        monkeypatch.setattr(stages, "start", begin)

    return poisoned


def _smoothed(job: Job) -> bool:
    return job.recipe != Study.of(TABLE).recipe


def _flags(results: Results) -> list[tuple[str | None, str]]:
    return [(f.defence, f.message) for f in results.flags if f.code == "F14"]


def test_one_model_is_left_out_of_every_defence(tmp_path: Path, poison: Poison) -> None:
    poison(lambda job: _smoothed(job) and job.seed == SEEDS[2])
    results = run(Study.of(TABLE | {"attacks": ["loss", "lira"]}), tmp_path)
    ((defence, message),) = _flags(results)
    assert defence == "label_smoothing"
    assert message.startswith(f"1 of 8 models (seed {SEEDS[2]}: its loss is not finite after epoch 1)")
    for label in ("none", "label_smoothing", "temperature"):
        (row,) = results.find(
            defence=label, attack="lira", metric="auc", slice="all", target="all", adaptive=True
        )
        assert row.n_members == 6 * 150  # its partner, number 3, is no target
        assert len(results.find(defence=label, attack="loss", metric="auc", slice="all", adaptive=True)) == 7
    assert results.find(defence="label_smoothing", attack="best", metric="auc-difference")
    rows = results.find(defence="none", attack="loss", metric="auc", slice="all", adaptive=True)
    assert [row.target for row in rows if row.target != "all"] == ["0", "1", "4", "5", "6", "7"]
    entries = Store(tmp_path).entries("models")
    assert sum("diverged" in entry.meta["stages"][0] for entry in entries) == 1


def test_the_others_read_as_if_it_had_never_been_in_the_design(tmp_path: Path, poison: Poison) -> None:
    """The models that are left keep their seeds, so theirs are the weights of a run in which all go well."""
    well = run(Study.of(TWO), tmp_path / "well")
    poison(lambda job: job.seed == SEEDS[7])
    results = run(Study.of(TWO), tmp_path / "ill")
    keys = [{e.path.name for e in Store(tmp_path / name).entries("models")} for name in ("well", "ill")]
    assert keys[0] == keys[1]
    digests = [
        {e.spec["seed"]: e.tensors("weights.safetensors") for e in Store(tmp_path / name).entries("models")}
        for name in ("well", "ill")
    ]
    for seed in SEEDS[:7]:
        for name, weights in digests[0][seed].items():
            assert np.array_equal(weights, digests[1][seed][name])
    (a,), (b,) = (
        r.find(defence="none", attack="loss", metric="auc", slice="all", target="0") for r in (well, results)
    )
    assert a.value == b.value  # of one target by itself, whoever else there is
    assert [defence for defence, _ in _flags(results)] == ["none", "label_smoothing"]


def test_a_defence_that_loses_many_is_left_out_itself(tmp_path: Path, poison: Poison) -> None:
    poison(lambda job: _smoothed(job) and job.seed in SEEDS[:3])
    results = run(Study.of(TWO | {"frontier": ["label_smoothing", "none"]}), tmp_path)
    ((defence, message),) = _flags(results)
    assert defence == "label_smoothing" and "3 of 8 models" in message
    assert "the defence was left out" in message
    assert results.find(defence="label_smoothing") == []
    (row,) = results.find(
        defence="none", attack="loss", metric="auc", slice="all", target="all", adaptive=True
    )
    assert row.n_members == 8 * 150


def test_no_baseline_is_an_error_that_names_the_seeds(tmp_path: Path, poison: Poison) -> None:
    poison(lambda job: not _smoothed(job))
    with pytest.raises(LeakbenchError, match=rf"too many models diverged.*seed {SEEDS[5]}.*learning rate"):
        run(Study.of(TABLE), tmp_path)


@pytest.mark.parametrize("stacked", [True, False])
@pytest.mark.parametrize("patience", [None, 2])
def test_neighbours_in_a_stack_are_not_touched(
    poison: Poison, monkeypatch: pytest.MonkeyPatch, stacked: bool, patience: int | None
) -> None:
    dataset = load("digits", records=200)
    rows = dataset.parts["pool"]
    stage = Train(epochs=4, patience=patience)
    recipe = Recipe(Architecture(hidden=(8,)), (stage, Train(epochs=1)))
    jobs = [Job(recipe, rows[m : m + 60], rows[100:120], seed=m) for m in range(3)]
    if not stacked:
        monkeypatch.setattr(stages, "stackable", lambda *_: False)
    well = stages.train_group(dataset, jobs)
    poison(lambda job: job.seed == 1)
    ill = stages.train_group(dataset, jobs)
    assert [diverged(t.log) for t in ill] == [None, "its loss is not finite after epoch 1", None]
    assert [len(t.log) for t in ill] == [2, 2, 2]
    for m in (0, 2):
        for name, weights in well[m].weights.items():
            assert np.array_equal(weights, ill[m].weights[name])


def test_a_split_without_a_model_keeps_targets_in_whole_pairs() -> None:
    dataset = load("digits", records=100)
    split = DESIGNS.make({"name": "random_half", "models": 6}).split(dataset, 0)
    left = split.without({3})
    assert left.numbers == (0, 1, 2, 4, 5)
    assert [left.number(m) for m in left.targets] == [0, 1, 4, 5]
    assert np.array_equal(left.members, split.members[[0, 1, 2, 4, 5]])
    again = left.without({0})
    assert again.numbers == (1, 2, 4, 5) and [again.number(m) for m in again.targets] == [4, 5]


@pytest.mark.parametrize("design", [{"name": "disjoint", "shadows": 5}, {"name": "single", "shadows": 4}])
def test_a_shadow_model_may_diverge_under_any_design(
    tmp_path: Path, poison: Poison, design: dict[str, object]
) -> None:
    poison(lambda job: _smoothed(job) and job.seed == SEEDS[3])
    data = {"name": "digits", "records": 700}
    table = TWO | {"data": data, "design": design, "attacks": ["loss", "lira_offline"]}
    results = run(Study.of(table), tmp_path)
    assert [defence for defence, _ in _flags(results)] == ["label_smoothing"]
    assert results.find(defence="label_smoothing", attack="loss", metric="auc", adaptive=True)


def test_a_defence_whose_only_target_diverged_is_left_out(tmp_path: Path, poison: Poison) -> None:
    poison(lambda job: _smoothed(job) and job.seed == SEEDS[0])
    table = TWO | {"design": {"name": "single", "shadows": 4}, "attacks": ["loss", "lira_offline"]}
    results = run(Study.of(table), tmp_path)
    ((defence, message),) = _flags(results)
    assert defence == "label_smoothing" and "the defence was left out" in message
    assert results.find(defence="none", attack="loss", metric="auc", adaptive=True)


def test_an_ensemble_with_a_diverged_network_has_diverged(tmp_path: Path, poison: Poison) -> None:
    network = derive(SEEDS[1], 0, "network", 2)
    poison(lambda job: job.seed == network)
    selena = {"name": "selena", "size": 4, "leaves_out": 2}
    study = Study.of(TABLE | {"defences": ["none", selena], "stages": [{"epochs": 3}], "non_adaptive": False})
    results = run(study, tmp_path)
    assert [defence for defence, _ in _flags(results)] == ["selena"]
    assert str(SEEDS[1]) in _flags(results)[0][1]
    again = run(study, tmp_path)
    assert _flags(again) == _flags(results)
