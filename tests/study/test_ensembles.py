"""Studies of ensembles, their students and Monte Carlo dropout, on real digits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import leakbench.pipeline.train
from leakbench.core.errors import InputError
from leakbench.core.store import Store
from leakbench.data.load import load
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import Trainer
from leakbench.report.results import Results
from leakbench.train.job import Job
from leakbench.train.query import predict_logits

TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [32]},
    "stages": [{"stage": "train", "epochs": 10, "batch_size": 16}],
    "query": {"views": ["identity", "shift:1,0"], "noise": 2},
    "attacks": ["loss"],
    "metrics": ["auc"],
    "non_adaptive": False,
    "defences": [
        {"name": "ensemble", "size": 3},
        {"name": "selena", "size": 5, "leaves_out": 2},
        {"name": "knowledge_distillation"},
        {"name": "mc_dropout", "passes": 7},
        {"label": "both", "chain": ["selena", "mc_dropout"]},
    ],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def results(store: Path) -> Results:
    return run(Study.of(TABLE), store, processes=1)


def _trainer(store: Path) -> Trainer:
    study = Study.of(TABLE)
    dataset = load(study.file.data)
    return Trainer(dataset, study.design.split(dataset, 0), 0, Store(store))


def _recipe(label: str) -> object:
    study = Study.of(TABLE)
    return next(d for d in study.defences if d.label == label).recipe(study.recipe)


def test_sizes_and_costs_count_every_network_and_every_pass(results: Results) -> None:
    def of(metric: str) -> dict:
        return {row.defence: row.value for row in results.find(metric=metric)}

    adds, parameters, plain = of("multiply_adds"), of("parameters"), 64 * 32 + 32 * 10
    assert adds == {
        "none": plain, "ensemble": 3 * plain, "selena": plain, "knowledge_distillation": plain,
        "mc_dropout": 7 * plain, "both": 20 * plain,
    }  # fmt: skip
    assert parameters == dict.fromkeys(adds, plain + 42) | {"ensemble": 3 * (plain + 42)}
    assert set(of("sparsity").values()) == {0.0} and not results.layers
    assert results.find(metric="train_cost_ratio", defence="ensemble")
    latency = of("latency_batch_1")
    assert latency["mc_dropout"] > latency["none"]
    accuracy = of("accuracy")
    assert min(accuracy.values()) > 0.7


def test_what_the_store_holds_of_an_ensemble_is_each_of_its_networks(results: Results, store: Path) -> None:
    trainer, rows = _trainer(store), np.arange(100)
    entry = trainer.models(_recipe("ensemble"))[0]
    (log,), weights = entry.meta["stages"], entry.tensors("weights.safetensors")
    assert log["epochs"] == len(log["epoch_seconds"]) == 3 * 10  # what training costs is reckoned from
    own = [
        {n.removeprefix(f"networks.{k}."): w for n, w in weights.items() if n.startswith(f"networks.{k}.")}
        for k in range(3)
    ]
    about = (trainer.dataset.x, 10, _recipe("ensemble").architecture)
    z = [predict_logits(*about, one, rows)[0].astype(np.float64) for one in own]
    mean = np.mean([np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in z], axis=0)
    np.testing.assert_allclose(np.exp(predict_logits(*about, weights, rows)[0]), mean, atol=1e-5)


def test_a_stop_between_ensemble_and_student_loses_nothing(
    results: Results, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe("selena")
    whole, train = Trainer._keep, leakbench.pipeline.train.train_group

    def stop(self: Trainer, job: Job, number: int, trained: object) -> None:
        if number == 1:
            raise KeyboardInterrupt
        whole(self, job, number, trained)

    # all four at once: the measured group size is smaller on a busy machine
    monkeypatch.setattr("leakbench.pipeline.train.neighbours", lambda: 1)
    monkeypatch.setattr(Trainer, "_keep", stop)
    with pytest.raises(KeyboardInterrupt):
        replace(_trainer(tmp_path), group_size=4).models(recipe)
    monkeypatch.setattr(Trainer, "_keep", whole)
    begun: list[int] = []

    def seen(dataset: object, jobs: list, **options: list) -> None:
        begun.extend(len(done.log) for done in options["done"])
        train(dataset, jobs, **options)

    monkeypatch.setattr("leakbench.pipeline.train.train_group", seen)
    again = replace(_trainer(tmp_path), group_size=4).models(recipe)
    assert begun == [1] * 4
    for a, b in zip(again, _trainer(store).models(recipe), strict=True):
        for name, weights in a.tensors("weights.safetensors").items():
            np.testing.assert_allclose(weights, b.tensors("weights.safetensors")[name], atol=1e-5)


def test_stages_that_recipes_share_are_run_once(results: Results, store: Path) -> None:
    """The teacher of `knowledge_distillation` is the model of `none`: its log, times included, is the same."""
    trainer = _trainer(store)
    plain, student = (trainer.models(_recipe(label)) for label in ("none", "knowledge_distillation"))
    assert [e.meta["stages"][0] for e in plain] == [e.meta["stages"][0] for e in student]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"defences": [{"name": "mc_dropout"}], "architecture": {"name": "wrn", "depth": 10}},
            "dropout must go with an architecture that has it",
        ),
        ({"defences": [{"name": "selena", "size": 400}]}, "needs as many members, got 150"),
        ({"defences": [{"chain": ["ensemble", "pruning"]}]}, r"\(prune\) needs a single network"),
        ({"defences": [{"chain": ["mc_dropout", "pruning"]}]}, r"\(prune\) needs a single network"),
        ({"defences": [{"chain": ["ensemble", "mc_dropout"]}]}, r"\(monte_carlo\) needs a single network"),
        ({"defences": [{"chain": ["ensemble", "dp_sgd"]}]}, "ensemble stage must have no privacy"),
        ({"defences": [{"chain": ["synthetic_only", "selena"]}]}, "ensemble must train on members"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    changes: dict, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leakbench.pipeline.train.train_group", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(InputError, match=message):
        run(Study.of(TABLE | changes), tmp_path)
