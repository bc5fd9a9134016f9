"""Attacks on students in a study: who teaches them, what is stored, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from tests.attacks.worlds import auc, quick

from leakbench.core.errors import InputError
from leakbench.core.progress import NullProgress
from leakbench.evaluation.scoring import score_targets
from leakbench.pipeline.defended_models import DefendedModels
from leakbench.pipeline.dry_run import forecast
from leakbench.pipeline.query import Querier
from leakbench.pipeline.run import run
from leakbench.pipeline.steps import checked_recipes, open_trainer, query_models, train_all
from leakbench.pipeline.study import Study
from leakbench.signals.trajectories import metrics

TABLE = {
    "data": {"name": "digits", "records": 160, "public": 600},
    "design": {"name": "random_half", "models": 8},
    "architecture": {"hidden": [64]},
    "stages": [{"epochs": 30, "batch_size": 32, "optimiser": {"name": "sgd", "lr": 0.1, "momentum": 0.9}}],
    "query": {"student_epochs": 4},
    "defences": ["none", {"name": "temperature", "temperature": 5.0}, "label_only"],
    "attacks": ["loss", "loss_trajectory", "seqmia"],
    "metrics": ["auc"],
    "non_adaptive": False,
}


def all_defended(store: Path, **changes: object) -> dict[str, DefendedModels]:
    study = Study.of(TABLE | changes)
    trainer = open_trainer(study, store)
    left = train_all(trainer, checked_recipes(study, trainer.dataset), NullProgress())
    made = query_models(study, Querier(left.trainer), left.recipes, NullProgress())
    return {defended.defence.label: defended for defended in made}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def defended(store: Path) -> dict[str, DefendedModels]:
    return all_defended(store)


def test_students_learn_what_is_released(defended: dict[str, DefendedModels]) -> None:
    own, soft = defended["none"], defended["temperature"]
    assert list(own.students) == ["released"] and set(soft.students) == {"released", "adversary view"}
    trajectories = {name: np.asarray(d.released().signals.trajectories) for name, d in defended.items()}
    assert {t.shape for t in trajectories.values()} == {(8, 20, 160)}
    # a student of flat probabilities is unsure, one of predicted classes is sure; a record's last epoch
    surest = {name: np.median(t[:, 16]) for name, t in trajectories.items()}
    assert surest["temperature"] < surest["none"] < surest["label_only"]
    # what an adaptive attacker recovers from a temperature are the undefended outputs, and so the same students
    undone = soft.adversary_view().signals.trajectories
    np.testing.assert_allclose(undone, trajectories["none"], atol=1e-3)
    assert own.adversary_view().identity != soft.adversary_view().identity


def test_a_student_agrees_with_its_own_teacher_more_than_with_others(
    defended: dict[str, DefendedModels],
) -> None:
    signals = defended["none"].released().signals
    students = np.stack([t[15] for t in signals.trajectories])  # losses after the last epoch
    models = np.stack([metrics(z[0].astype(float), signals.labels)[0] for z in signals.logits])
    agreement = np.corrcoef(np.log(students + 1e-8), np.log(models + 1e-8))[:8, 8:]
    own = np.diag(agreement).mean()
    assert own > agreement[~np.eye(8, dtype=bool)].mean() + 0.02


def test_students_are_made_once_and_only_where_an_attack_reads_them(
    store: Path, defended: dict[str, DefendedModels]
) -> None:
    entries = {path.name: path.stat().st_mtime_ns for path in (store / "students").iterdir()}
    assert len(entries) == 5  # of `none`, and two views of each output transform
    assert all(each.students for each in all_defended(store).values())
    assert not any(each.students for each in all_defended(store, attacks=["loss"]).values())
    assert {path.name: path.stat().st_mtime_ns for path in (store / "students").iterdir()} == entries


def test_members_of_real_networks_are_found(defended: dict[str, DefendedModels]) -> None:
    models = defended["none"].adversary_view()
    for name in ("loss_trajectory", "seqmia"):
        found = score_targets(quick(name), models, range(4), seed=0).scores
        assert auc(found, models.members[:4]) > 0.53


def test_a_dry_run_prices_what_the_run_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leakbench.evaluation.attack_cost.SIZES", (100, 200))
    attacks = ["loss", "gradient_norm", {"name": "loss_trajectory", "epochs": 2, "max_examples": 200}]
    small = {
        "data": {"name": "digits", "records": 200, "public": 200},
        "design": {"name": "random_half", "models": 4},
    }
    study = Study.of(TABLE | small | {"defences": ["none", "temperature"], "attacks": attacks})
    before = {work.what: work for work in forecast(study, tmp_path)}
    run(study, tmp_path, processes=1)
    after = {work.what: work for work in forecast(study, tmp_path)}
    for name, pieces in (("students", 12), ("gradients", 4)):
        assert (before[name].pieces, before[name].left) == (pieces, pieces)
        assert before[name].seconds > 0 and (after[name].left, after[name].seconds) == (0, 0)
        made = sum(path.stat().st_size for path in (tmp_path / name).glob("*/*.npy"))
        assert before[name].disk == pytest.approx(made, rel=0.1)
    assert after["attacks"].left == 0


def test_a_study_without_public_records_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    study = Study.of(TABLE | {"data": {"name": "digits", "records": 160}})
    for entry in (run, forecast):
        with pytest.raises(
            InputError, match=r"loss_trajectory and seqmia must have public records.*set `public`"
        ):
            entry(study, tmp_path / "store")
    assert not list((tmp_path / "store").glob("models/*"))
    with pytest.raises(InputError, match="student_epochs must be at least 1"):
        Study.of(TABLE | {"query": {"student_epochs": 0}})
