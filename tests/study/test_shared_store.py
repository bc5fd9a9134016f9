"""Several runs on one store share the work: nothing is trained twice, and what a dead one left is taken over."""

import shutil
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import leakbench.pipeline.train
from leakbench.core.content_key import content_key
from leakbench.core.progress import NullProgress, watched
from leakbench.core.store import Store
from leakbench.data.dataset import Dataset
from leakbench.data.load import load
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import Trainer
from leakbench.train.job import Job, Trained
from leakbench.train.recipe import Recipe
from leakbench.train.run_stages import Keep

TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 5}],
    "defences": ["none", "label_smoothing", {"name": "pruning", "sparsity": 0.5}],
    "group_size": 1,
}


def _trainer(store: Path, study: Study | None = None) -> Trainer:
    study = study or Study.of(TABLE)
    dataset = load(study.file.data)
    return Trainer(dataset, study.design.split(dataset, 0), 0, Store(store), study.file.group_size)


RECIPES = [defence.recipe(Study.of(TABLE).recipe) for defence in Study.of(TABLE).defences]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """How often each stage of each model was trained, by thread."""
    counts: Counter[tuple[str, int]] = Counter()
    whole = leakbench.pipeline.train.train_group

    def counting(dataset: object, jobs: Sequence[Job], **rest: object) -> object:
        for job in jobs:
            counts[content_key(job.describe("")), threading.get_ident()] += 1
        return whole(dataset, jobs, **rest)

    monkeypatch.setattr("leakbench.pipeline.train.train_group", counting)
    return counts


def test_two_runs_train_every_model_once(tmp_path: Path, trained: Counter[tuple[str, int]]) -> None:
    trainers = [_trainer(tmp_path) for _ in range(2)]
    threads = [threading.Thread(target=w.train, args=(RECIPES,)) for w in trainers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    jobs = {job for job, _ in trained}
    assert len(jobs) == len(RECIPES) * 4
    assert set(trained.values()) == {1} and len(trained) == len(jobs)
    assert len({thread for _, thread in trained}) == 2
    alone = _trainer(tmp_path.with_name("alone"))
    for recipe in RECIPES:
        for a, b in zip(trainers[1].models(recipe), alone.models(recipe), strict=True):
            for name, weights in a.tensors("weights.safetensors").items():
                assert np.array_equal(weights, b.tensors("weights.safetensors")[name])


def test_what_another_run_leaves_undone_is_taken_over(
    tmp_path: Path, trained: Counter[tuple[str, int]]
) -> None:
    trainer, other = _trainer(tmp_path), Store(tmp_path)
    spec = trainer.spec(trainer.jobs(RECIPES[0])[1])
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with other.claim("models", spec) as mine:
            assert mine
            held.set()
            let_go.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    run = threading.Thread(target=trainer.train, args=(RECIPES[:1],))
    run.start()
    run.join(2)
    assert run.is_alive() and len(trained) == 3  # it waits for the one that is claimed
    let_go.set()
    run.join(30)
    holder.join()
    assert not run.is_alive() and len(trained) == 4
    assert len(trainer.models(RECIPES[0])) == 4


def test_a_beginning_is_not_trained_again_for_what_is_there(
    tmp_path: Path, trained: Counter[tuple[str, int]]
) -> None:
    study = Study.of(
        TABLE | {"defences": [{"name": "pruning", "sparsity": s, "label": f"{s}"} for s in (0.3, 0.5)]}
    )
    pruned = [d.recipe(study.recipe) for d in study.defences if d.label != "none"]
    trainer = _trainer(tmp_path)
    trainer.train(pruned)
    assert len(trained) == 3 * 4
    for job in trainer.jobs(study.recipe):
        shutil.rmtree(trainer.store.folder("models", trainer.spec(job)))
    _trainer(tmp_path).train(pruned)
    assert set(trained.values()) == {1} and len(trained) == 3 * 4


def test_progress_follows_the_store_whoever_fills_it(tmp_path: Path) -> None:
    class Counting(NullProgress):
        steps = 0
        said: ClassVar[list[str]] = []

        def advance(self, n: int = 1) -> None:
            self.steps += n

        def say(self, line: str) -> None:
            self.said.append(line)

    progress, folders = Counting(), [tmp_path / str(k) for k in range(5)]
    with watched({"none": folders[:2], "selena": folders[2:], "there before": []}, progress, every=0.01):
        for folder in folders[:4]:
            folder.mkdir()
    assert progress.steps == 4
    assert progress.said == ["none: trained, 2 models"]


@pytest.mark.parametrize(
    ("cores", "shared"), [(1, [2, 2, 4]), (2, [1, 1, 1, 1, 2, 1, 1]), (3, [1, 1, 1, 1, 2, 1, 1])]
)
def test_an_ensemble_s_models_are_shared_out_evenly_and_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, shared: list[int]
) -> None:
    """A process that takes all of the dearest models last leaves the others idle, or of all at once."""
    monkeypatch.setattr("leakbench.pipeline.train.neighbours", lambda: cores)
    study = Study.of(TABLE | {"defences": ["none", "selena"], "architecture": {"hidden": [512]}})
    recipes = [defence.recipe(study.recipe) for defence in study.defences]
    groups = _groups(study, tmp_path, monkeypatch, recipes, group_size=32)
    costs = [group[0].recipe.passes for group in groups]
    assert costs == sorted(costs, reverse=True) and costs[0] == (25 + 1) * costs[-1]
    assert [len(group) for group in groups] == shared


def test_what_others_have_claimed_or_made_is_no_part_of_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process goes on behind the others, with groups as large as what lies there is worth."""
    monkeypatch.setattr("leakbench.pipeline.train.neighbours", lambda: 2)
    study = Study.of(TABLE | {"design": {"name": "random_half", "models": 16}, "group_size": 4})
    trainer, other = _trainer(tmp_path, study), _trainer(tmp_path, study)
    jobs = trainer.jobs(study.recipe)
    with ExitStack() as claims, ExitStack() as others:
        for job in jobs[:4]:
            other._keep(job, 0, UNTRAINED)
        assert other._claimed(jobs[4:6], others) == [jobs[4]]
        mine = trainer._claimed(jobs, claims)
    assert [jobs.index(job) for job in mine] == [5, 6, 7]  # a quarter of the 11 that may be free


UNTRAINED = Trained({"w": np.zeros(1)}, {}, [{"stage": "train", "seconds": 0.0}])


def _groups(
    study: Study, store: Path, monkeypatch: pytest.MonkeyPatch, recipes: list[Recipe], group_size: int
) -> list[Sequence[Job]]:
    """In which groups a process alone would train the models of the recipes; nothing is trained."""
    found: list[Sequence[Job]] = []

    def trained(dataset: Dataset, jobs: Sequence[Job], keep: Keep, **_: object) -> None:
        found.append(jobs)
        for job in jobs:
            for number in job.recipe.kept:
                keep(job, number, UNTRAINED)

    monkeypatch.setattr("leakbench.pipeline.train.train_group", trained)
    replace(_trainer(store, study), group_size=group_size).train(recipes)
    return found
