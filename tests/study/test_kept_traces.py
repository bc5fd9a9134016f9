"""The traces of members' losses are kept with a model, and outlive the stages after."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leakbench.core.store import Store
from leakbench.data.load import load
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.pipeline.train import TRACES, Trainer
from leakbench.train.recipe import Prune

TABLE = {
    "data": {"name": "digits", "records": 300},
    "design": {"name": "random_half", "models": 2},
    "architecture": {"hidden": [16]},
    "stages": [{"stage": "train", "epochs": 3}],
    "attacks": ["loss"],
}


def test_a_model_that_is_gone_on_with_keeps_its_traces(tmp_path: Path) -> None:
    study = Study.of(TABLE)
    dataset = load(study.file.data)
    split = study.design.split(dataset, 0)

    def made(recipe):
        trainer = Trainer(dataset, split, 0, Store(tmp_path))
        return [np.array(entry.array(TRACES)) for entry in trainer.models(recipe)]

    first = made(study.recipe)
    assert all(traces.shape == (3, split.members[m].sum()) for m, traces in enumerate(first))
    later = made(replace(study.recipe, stages=(*study.recipe.stages, Prune())))
    for a, b in zip(first, later, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_study_says_how_much_loss_its_members_lost(tmp_path: Path) -> None:
    defences = ["none", {"name": "fewer_epochs", "epochs": 1}, {"name": "mixup"}, {"name": "temperature"}]
    study = Study.of(TABLE | {"defences": defences})
    results = run(study, tmp_path)
    dataset = load(study.file.data)
    trainer = Trainer(dataset, study.design.split(dataset, 0), 0, Store(tmp_path))
    kept = [np.array(entry.array(TRACES), float) for entry in trainer.models(study.recipe)]
    expected = np.mean([np.subtract(*np.percentile(one, [75, 25], axis=0)).mean() for one in kept])
    found = {row.defence: row.value for row in results.find(metric="loss_trace_iqr")}
    assert found == {"none": pytest.approx(expected), "temperature": pytest.approx(expected)}
