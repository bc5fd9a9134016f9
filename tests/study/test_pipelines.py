"""Studies of defences that prune, generate and fine-tune, on real digits."""

import json
import math
from collections.abc import Callable
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

VAE = {"name": "image_vae", "epochs": 2, "hidden": 64}
TABLE = {
    "group_size": 8,
    "data": {"name": "digits", "records": 700, "public": 350},
    "design": {"name": "random_half", "models": 8},
    "architecture": {"hidden": [64]},
    "stages": [{"stage": "train", "epochs": 25}],
    "attacks": ["lira", "lira_offline"],
    "metrics": ["auc"],
    "frontier": ["fewer_epochs", "none"],
    "cross": ["synthshield", "synthshield-0.8"],
    "defences": [
        {"name": "pruning"},
        {"name": "synthshield", "epochs": 3, "generator": VAE},
        {
            "name": "synthshield",
            "label": "synthshield-public",
            "epochs": 3,
            "generator": VAE,
            "fitted_on": "public",
        },
        {"name": "synthshield", "label": "synthshield-0.8", "epochs": 3, "generator": VAE, "sparsity": 0.8},
        {"name": "synthetic_only", "label": "copies", "generator": "bootstrap"},
        {"name": "synthetic_only", "label": "disjoint", "generator": "bootstrap", "fitted_on": "public"},
        {"name": "fewer_epochs", "epochs": 12},
        {
            "label": "pruned, DP",
            "chain": ["pruning", {"name": "dp_sgd", "stages": "last", "batch_size": 175}],
        },
    ],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def results(store: Path) -> Results:
    return run(Study.of(TABLE), store, processes=1)


@pytest.fixture(scope="module")
def trainer(results: Results, store: Path) -> Trainer:
    study = Study.of(TABLE)
    dataset = load(study.file.data)
    return Trainer(dataset, study.design.split(dataset, 0), 0, Store(store))


def _entries(trainer: Trainer, label: str) -> list:
    study = Study.of(TABLE)
    recipe = next(d for d in study.defences if d.label == label).recipe(study.recipe)
    return trainer.models(recipe)


def test_every_shadow_model_went_through_the_victims_stages(results: Results, trainer: Trainer) -> None:
    for entry in _entries(trainer, "synthshield"):
        assert [stage["stage"] for stage in entry.meta["stages"]] == [
            "train",
            "prune",
            "generate",
            "finetune",
        ]
        weights, masks = entry.tensors("weights.safetensors"), entry.tensors("masks.safetensors")
        zeros = sum(int((weights[name] == 0).sum()) for name in masks)
        assert zeros == round(0.6 * sum(mask.size for mask in masks.values()))
        assert all((weights[name][~mask] == 0).all() for name, mask in masks.items())
    (row,) = results.find(metric="sparsity", defence="synthshield")
    assert row.lo == row.hi == pytest.approx(0.6, abs=1e-3)


def test_each_shadow_model_has_synthetic_records_of_its_own(trainer: Trainer) -> None:
    study = Study.of(TABLE)
    own, shared = (study.defences[n].recipe(study.recipe) for n in (2, 3))
    made = [trainer.synthetic(job, 2).x for job in trainer.jobs(own)[:3]]
    assert not np.array_equal(made[0], made[1]) and not np.array_equal(made[1], made[2])
    public = [trainer.synthetic(job, 2) for job in trainer.jobs(shared)[:3]]
    assert public[0] is public[1] is public[2]


def test_stages_that_recipes_share_are_run_once(trainer: Trainer) -> None:
    """The training of `none` is the first stage of all that prune: its log, times included, is the same."""
    plain = [entry.meta["stages"][0] for entry in _entries(trainer, "none")]
    for label in ("pruning", "synthshield", "synthshield-0.8", "pruned, DP"):
        assert [entry.meta["stages"][0] for entry in _entries(trainer, label)] == plain


def test_a_stop_between_stages_loses_nothing(trainer: Trainer, tmp_path: Path, monkeypatch) -> None:
    study = Study.of(TABLE)
    recipe = study.defences[2].recipe(study.recipe)
    fresh = Trainer(trainer.dataset, trainer.split, 0, Store(tmp_path))
    kept: list[tuple[Job, int]] = []
    whole: Callable = Trainer._keep

    def stop(self: Trainer, job: Job, number: int, trained: object) -> None:
        whole(self, job, number, trained)
        kept.append((job, number))
        if number == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_keep", stop)
    with pytest.raises(KeyboardInterrupt):
        fresh.models(recipe)
    monkeypatch.setattr(Trainer, "_keep", whole)
    again = Trainer(trainer.dataset, trainer.split, 0, Store(tmp_path))
    for a, b in zip(again.models(recipe), _entries(trainer, "synthshield"), strict=True):
        for name, weights in a.tensors("weights.safetensors").items():
            np.testing.assert_allclose(weights, b.tensors("weights.safetensors")[name], atol=1e-5)


def test_a_run_goes_on_at_the_last_stage_that_is_kept(trainer: Trainer, tmp_path: Path, monkeypatch) -> None:
    study = Study.of(TABLE | {"frontier": [], "cross": [], "defences": [{"name": "pruning", "rounds": 2}]})
    recipe = study.defences[1].recipe(study.recipe)
    half = Trainer(trainer.dataset, trainer.split, 0, Store(tmp_path))
    half.models(recipe.until(2))
    begun: list[int] = []
    whole = leakbench.pipeline.train.train_group

    def seen(dataset: object, jobs: list, **options: list) -> None:
        begun.extend(len(done.log) for done in options["done"])
        whole(dataset, jobs, **options)

    monkeypatch.setattr("leakbench.pipeline.train.train_group", seen)
    Trainer(trainer.dataset, trainer.split, 0, Store(tmp_path)).models(recipe)
    assert begun == [3] * 8


def test_copies_are_caught_and_disjoint_records_are_clean(results: Results) -> None:
    assert [f.defence for f in results.flags if f.code == "F11"] == ["copies"]
    assert results.find(defence="copies", metric="auc", attack="nearest_neighbour")[0].lo > 0.7
    assert results.find(defence="disjoint", slice="generator") == []
    leaks = results.find(
        defence="copies", metric="auc", attack="lira_offline", slice="all", target="all", adaptive=True
    )
    clean = results.find(defence="disjoint", metric="auc", slice="all", target="all", adaptive=True)
    assert leaks[0].lo > 0.55
    assert clean and all(row.lo <= 0.5 <= row.hi for row in clean if row.attack != "best")


def test_each_defence_is_compared_at_its_accuracy(results: Results) -> None:
    """With the first of the frontier (least trained first) that is as accurate within a point, else the nearest."""
    accuracy = {row.defence: row.value for row in results.find(metric="accuracy")}
    rows = {row.defence: row for row in results.find(metric="accuracy_difference")}
    assert rows.keys() == accuracy.keys() - {"none", "fewer_epochs"}
    for label, row in rows.items():
        nearest = min(("fewer_epochs", "none"), key=lambda other: abs(accuracy[other] - accuracy[label]))
        enough = [other for other in ("fewer_epochs", "none") if accuracy[other] >= accuracy[label] - 0.01]
        nearest = enough[0] if enough else nearest
        assert row.against == nearest
        assert (
            row.value == pytest.approx(accuracy[label] - accuracy[nearest]) and row.lo <= row.value <= row.hi
        )
        assert results.find(defence=label, metric="auc-difference", attack="lira", against=nearest)
        assert results.find(defence=label, metric="auc-difference", attack="lira", against=None)  # from none
    assert {row.against for row in rows.values()} == {"none", "fewer_epochs"}


def test_leakage_is_split_between_generator_and_weights(results: Results) -> None:
    for attack in TABLE["attacks"]:
        about = {"defence": "synthshield", "attack": attack}
        (whole,) = results.find(metric="auc", slice="all", target="all", adaptive=True, **about)
        (generator,) = results.find(metric="leakage_from_generator", **about)
        (weights,) = results.find(metric="leakage_in_weights", **about)
        assert generator.detail["twin"] == "synthshield-public"
        assert 0.5 + weights.value + generator.value == pytest.approx(whole.value)


def test_cross_rows_tell_whose_shadow_models(results: Results) -> None:
    found = results.find(
        defence="synthshield", metric="auc", attack="lira", adaptive=False, slice="all", target="all"
    )
    assert {row.shadows for row in found} == {"none", "synthshield-0.8"}


def test_private_fine_tuning_alone_is_not_private(results: Results) -> None:
    (row,) = results.find(metric="epsilon")
    assert row.defence == "pruned, DP" and math.isinf(row.value)
    assert [f.defence for f in results.flags if f.code == "F13"] == ["pruned, DP"]


def test_samples_and_layers_are_kept(results: Results) -> None:
    assert {s.defence for s in results.samples} == {
        "synthshield", "synthshield-public", "synthshield-0.8", "copies", "disjoint",
    }  # fmt: skip
    assert all(s.distance < 1e-6 for s in results.samples if s.defence in ("copies", "disjoint"))
    assert all(s.image.startswith("data:image/png") for s in results.samples)
    layers = [layer for layer in results.layers if layer.defence == "synthshield"]
    assert [layer.layer for layer in layers] == ["layers.0", "layers.1"]
    assert sum(layer.zeros for layer in layers) == pytest.approx(
        0.6 * sum(layer.weights for layer in layers), abs=1
    )
    assert Results.from_dict(json.loads(json.dumps(results.to_dict()))).samples == results.samples


def test_public_records_must_be_there(tmp_path: Path) -> None:
    table = TABLE | {"data": {"name": "digits", "records": 700}}
    with pytest.raises(InputError, match="needs public records, and 'digits' has none; set `public`"):
        run(Study.of(table), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"defences": [{"name": "pruning", "layers": "conv"}]}, "0 convolutions and 2 linear layers"),
        (
            {"defences": [{"name": "pruning", "pruner": "slim"}]},
            "slim ranks channels by the scales of BatchNorm",
        ),
        ({"defences": [{"name": "synthshield", "generator": "chow_liu"}]}, "does not make images"),
        ({"defences": [{"name": "dp_sgd"}], "architecture": {"name": "resnet9"}}, "without BatchNorm"),
        (
            {"defences": [{"name": "synthshield", "generator": {"name": "files", "path": "nowhere"}}]},
            "nowhere",
        ),
    ],
)
def test_what_a_late_stage_would_refuse_is_said_before_training(
    changes: dict, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leakbench.pipeline.train.train_group", lambda *_, **__: pytest.fail("it trained"))
    table = {"data": {"name": "digits", "resize": 32}} if "resnet9" in str(changes) else {}
    with pytest.raises(InputError, match=message):
        run(
            Study.of(
                {k: TABLE[k] for k in ("data", "design", "architecture", "stages", "attacks")}
                | table
                | changes
            ),
            tmp_path,
        )


@pytest.mark.parametrize("key", ["frontier", "cross"])
def test_labels_must_be_defences(key: str) -> None:
    with pytest.raises(
        InputError, match=f"unknown defence in {key}: 'synthshild'; did you mean 'synthshield'"
    ):
        Study.of(TABLE | {key: ["synthshild"]})


def test_a_generator_that_makes_one_record_a_class_is_flagged(tmp_path: Path) -> None:
    digits = load(TABLE["data"])
    means = np.stack([digits.x[digits.y == c].mean(axis=0) for c in range(10)])
    np.savez(tmp_path / "same.npz", x=np.repeat(means, 30, axis=0), y=np.repeat(np.arange(10), 30))
    files = {"name": "files", "path": str(tmp_path / "same.npz")}
    table = {
        **{key: TABLE[key] for key in ("data", "architecture")},
        "design": {"name": "random_half", "models": 2},
        "stages": [{"stage": "train", "epochs": 2}],
        "attacks": ["loss"],
        "defences": [{"name": "synthetic_only", "generator": files}],
    }
    found = run(Study.of(table), tmp_path / "store")
    (flag,) = [flag for flag in found.flags if flag.code == "F12"]
    assert flag.defence == "synthetic_only" and "0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in flag.message
    assert found.find(defence="synthetic_only", metric="auc", slice="all")  # and nothing is lost


def test_the_users_files_are_the_same_for_every_model(trainer: Trainer, tmp_path: Path) -> None:
    """Their classes too: in the proportions of a model's members, they would tell which records these are."""
    rows = trainer.dataset.parts["public"][:200]
    np.savez(tmp_path / "own.npz", x=trainer.dataset.x[rows], y=trainer.dataset.y[rows])
    files = {"name": "files", "path": str(tmp_path / "own.npz")}
    study = Study.of(
        TABLE | {"frontier": [], "cross": [], "defences": [{"name": "synthetic_only", "generator": files}]}
    )
    jobs = trainer.jobs(study.defences[1].recipe(study.recipe))
    first, second = trainer.synthetic(jobs[0], 0), trainer.synthetic(jobs[1], 0)
    assert first is second
    own = np.bincount(trainer.dataset.y[rows]) / 200
    np.testing.assert_allclose(np.bincount(first.y) / len(first.y), own, atol=0.01)
