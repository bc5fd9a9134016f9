"""What each record cost in each epoch: against the losses of models that were stopped before that epoch."""

import dataclasses
from unittest.mock import patch

import numpy as np
import pytest

from leakbench.data.dataset import Dataset
from leakbench.generators import GENERATORS
from leakbench.train import run_stages as stages
from leakbench.train.job import Job
from leakbench.train.losses import LOSSES
from leakbench.train.query import predict_logits
from leakbench.train.recipe import Architecture, Distill, Finetune, Generate, Recipe, Train
from leakbench.train.recipe.settings import Adversary, Augment, Optimiser, Privacy
from leakbench.train.run_stages import train_group

SMALL = Architecture(hidden=(24, 12))
FULL = Train(
    epochs=4, batch_size=1000, optimiser=Optimiser(lr=0.3)
)  # one batch an epoch: nothing moves within it
MADE = Generate(generator=GENERATORS.make("bootstrap"))
engines = pytest.mark.parametrize("alone", [False, True], ids=["stacked", "alone"])


def trained(dataset, jobs, alone):
    if not alone:
        return train_group(dataset, jobs)
    with patch.object(stages, "stackable", lambda *_: False):
        return train_group(dataset, jobs)


def costs(dataset, job, weights):
    """The cross-entropies of a model's members, from its answers to a query."""
    z = predict_logits(dataset.x, len(dataset.classes), job.recipe.architecture, weights, job.members)[0]
    z = z.astype(np.float64) - z.max(axis=1, keepdims=True)
    return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), dataset.y[job.members]]


@engines
@pytest.mark.parametrize(
    "loss", ["cross_entropy", {"name": "cross_entropy", "smoothing": 0.3}, "focal", "relaxloss"]
)
def test_an_epochs_costs_are_those_of_the_model_before_it(digits, make_jobs, alone, loss):
    stage = dataclasses.replace(FULL, loss=LOSSES.make(loss))
    jobs = make_jobs(Recipe(SMALL, (stage,)), 3)
    found = [model.traces for model in trained(digits, jobs, alone)]
    assert all(trace.shape == (4, 151) and trace.dtype == np.float16 for trace in found)
    for epochs in (1, 2, 3):
        shorter = make_jobs(Recipe(SMALL, (dataclasses.replace(stage, epochs=epochs),)), 3)
        for trace, job, model in zip(found, shorter, trained(digits, shorter, alone), strict=True):
            np.testing.assert_allclose(trace[epochs], costs(digits, job, model.weights), rtol=1e-3, atol=1e-3)


def test_both_engines_note_the_same(digits, make_jobs):
    stage = Train(epochs=15, batch_size=32, patience=1, optimiser=Optimiser(lr=0.4), augment=Augment(shift=1))
    jobs = make_jobs(Recipe(Architecture(hidden=(24,), dropout=0.2), (stage,)), 4)
    pairs = list(zip(trained(digits, jobs, True), trained(digits, jobs, False), strict=True))
    assert len({len(a.traces) for a, _ in pairs}) > 1  # some stop before others
    for a, b in pairs:
        assert len(a.traces) == a.log[0]["epochs"]
        np.testing.assert_allclose(a.traces, b.traces, rtol=2e-3, atol=2e-3)
        assert np.isfinite(a.traces).all()


@engines
def test_they_are_those_of_the_last_stage_on_members(digits, make_jobs, alone):
    last = dataclasses.replace(FULL, epochs=2)
    one = trained(digits, make_jobs(Recipe(SMALL, (FULL, last)), 1), alone)[0]
    assert one.traces.shape == (2, 151)
    on_others = Finetune(on="synthetic", epochs=3, batch_size=32)
    two = trained(digits, make_jobs(Recipe(SMALL, (FULL, last, MADE, on_others)), 1), alone)[0]
    np.testing.assert_array_equal(two.traces, one.traces)


@pytest.mark.parametrize(
    "stage",
    [
        dataclasses.replace(FULL, augment=Augment(mixup=1.0)),
        dataclasses.replace(FULL, privacy=Privacy()),
        Distill(epochs=1, keep_fraction=0.5),
    ],
    ids=["mixup", "privacy", "some left out"],
)
def test_a_stage_that_cannot_note_them_leaves_none_of_an_earlier_one(digits, make_jobs, stage):
    if stage.privacy:
        pytest.importorskip("opacus")
    assert train_group(digits, make_jobs(Recipe(SMALL, (FULL, stage)), 1))[0].traces is None


def test_a_model_that_never_met_its_members_has_none(digits, make_jobs):
    made = Recipe(SMALL, (MADE, dataclasses.replace(FULL, on="synthetic")))
    assert train_group(digits, make_jobs(made, 1))[0].traces is None


@pytest.mark.parametrize(
    "stage",
    [Distill(epochs=3), dataclasses.replace(FULL, adversary=Adversary(reference="dev"))],
    ids=["student", "adversary"],
)
def test_students_and_models_with_an_adversary_have_them(digits, make_jobs, stage):
    (model,) = train_group(digits, make_jobs(Recipe(SMALL, (FULL, stage)), 1))
    assert model.traces.shape == (stage.epochs, 151) and np.isfinite(model.traces).all()


def test_a_record_that_sat_an_epoch_out_has_no_cost_in_it():
    """33 records in batches of 32: the last would be alone before a BatchNorm."""
    rng = np.random.default_rng(0)
    images = Dataset(
        "noise", rng.random((40, 3, 16, 16), np.float32), rng.integers(0, 4, 40), tuple("abcd"), {}
    )
    stage = Train(epochs=2, batch_size=32)
    job = Job(Recipe(Architecture("resnet9"), (stage,)), np.arange(33), np.empty(0, np.int64), 0)
    (model,) = train_group(images, [job])
    assert np.isnan(model.traces).sum(axis=1).tolist() == [1, 1]
