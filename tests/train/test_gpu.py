"""What a GPU must give: the CPU's models up to rounding, the same bits where a study requests them."""

import dataclasses
from unittest.mock import patch

import numpy as np
import pytest
import torch

from leakbench.generators import GENERATORS
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.train import device
from leakbench.train.query import predict_logits, predict_noisy_logits
from leakbench.train.recipe import (
    Architecture,
    Distill,
    Ensemble,
    Finetune,
    Generate,
    Head,
    MonteCarlo,
    Prune,
    Recipe,
    Train,
    TrainHead,
)
from leakbench.train.recipe.engine import Engine
from leakbench.train.recipe.settings import Adversary, Augment, Optimiser, Privacy
from leakbench.train.run_stages import train_group

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

MLP, CNN = Architecture(hidden=(24, 12)), Architecture("cnn", channels=(3, 5))
WRN, RESNET9 = Architecture("wrn", depth=10, width=1), Architecture("resnet9")
BASE = Train(epochs=1, batch_size=64, optimiser=Optimiser(lr=0.02))
RECIPES = {
    "stacked mlp": Recipe(MLP, (BASE,)),
    "stacked cnn, augmented": Recipe(
        CNN, (dataclasses.replace(BASE, augment=Augment(shift=1, flip=True, mixup=0.5)),)
    ),
    "adam": Recipe(MLP, (dataclasses.replace(BASE, optimiser=Optimiser("adam", lr=1e-3)),)),
    "early stopping": Recipe(MLP, (dataclasses.replace(BASE, epochs=4, patience=1),)),
    "wrn, augmented": Recipe(WRN, (dataclasses.replace(BASE, augment=Augment(shift=1, flip=True)),)),
    "resnet9": Recipe(RESNET9, (BASE,)),
    "pruned weights": Recipe(MLP, (BASE, Prune(sparsity=0.5), Finetune(epochs=1, batch_size=64))),
    "pruned channels": Recipe(
        MLP, (BASE, Prune("prune", "l1_structured", 0.5, "layer"), Finetune(epochs=1, batch_size=64))
    ),
    "synthetic": Recipe(
        MLP, (BASE, Generate(generator=GENERATORS.make("bootstrap")), Finetune(on="synthetic", epochs=1))
    ),
    "distilled": Recipe(MLP, (BASE, Distill(epochs=1, batch_size=64))),
    "ensemble, distilled": Recipe(MLP, (Ensemble(size=3, leaves_out=1, epochs=1), Distill(epochs=1))),
    "head": Recipe(MLP, (BASE, Head(), TrainHead(epochs=1))),
    "monte carlo": Recipe(dataclasses.replace(MLP, dropout=0.2), (BASE, MonteCarlo(passes=3))),
    "adversary": Recipe(MLP, (dataclasses.replace(BASE, adversary=Adversary(reference="dev")),)),
}


def on_gpu(jobs, **settings):
    return [dataclasses.replace(job, engine=Engine("cuda", **settings)) for job in jobs]


def gap(a, b):
    return max(float(np.abs(a.weights[name] - b.weights[name]).max()) for name in a.weights)


@pytest.mark.parametrize("made", RECIPES.values(), ids=RECIPES.keys())
def test_models_are_those_of_the_cpu_up_to_rounding(digits, make_jobs, made):
    jobs = make_jobs(made, 3)
    for here, there in zip(train_group(digits, jobs), train_group(digits, on_gpu(jobs)), strict=True):
        assert gap(here, there) < 5e-3
        assert [log["stage"] for log in here.log] == [log["stage"] for log in there.log]
        assert there.log[-1].get("train_loss", 0) == pytest.approx(
            here.log[-1].get("train_loss", 0), rel=0.01
        )


@pytest.mark.parametrize("architecture", [MLP, CNN, WRN, RESNET9], ids=lambda a: a.name)
def test_deterministic_means_the_same_bits(digits, make_jobs, architecture):
    stage = dataclasses.replace(BASE, augment=Augment(shift=1, flip=True))
    jobs = on_gpu(make_jobs(Recipe(architecture, (stage,)), 2), deterministic=True, precision="bfloat16")
    first, second = train_group(digits, jobs), train_group(digits, jobs)
    assert [gap(a, b) for a, b in zip(first, second, strict=True)] == [0.0, 0.0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of what it compiles with
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("compiled", [False, True])
def test_coarser_and_compiled_training_learns_as_much(digits, make_jobs, precision, compiled):
    jobs = make_jobs(Recipe(WRN, (dataclasses.replace(BASE, epochs=3),)), 2)
    fast = train_group(digits, on_gpu(jobs, precision=precision, compiled=compiled))
    for a, b in zip(train_group(digits, jobs), fast, strict=True):
        assert b.log[-1]["train_loss"] == pytest.approx(a.log[-1]["train_loss"], rel=0.1)


def test_noise_of_dp_sgd_is_drawn_on_the_gpu(digits, make_jobs):
    stage = dataclasses.replace(BASE, privacy=Privacy(noise=0.5))
    jobs = on_gpu(make_jobs(Recipe(MLP, (stage,)), 1))
    (first,), (second,) = train_group(digits, jobs), train_group(digits, jobs)
    assert gap(first, second) < 1e-4 and np.isfinite(first.log[-1]["train_loss"])


@pytest.mark.parametrize("here", [True, False], ids=["on the GPU", "no room on the GPU"])
def test_answers_are_those_of_the_cpu(digits, make_jobs, here):
    (model,) = train_group(digits, make_jobs(Recipe(WRN, (BASE,)), 1))
    x = digits.x.copy()
    about = (x, 10, WRN, model.weights, np.arange(0, 500, 3))
    views = ["identity", "flip", "shift:1,-2", "flip+shift:0,1"]
    with patch.object(device, "ROOM", device.ROOM if here else 0.0):
        answers = predict_logits(*about, views, batch=64, engine=Engine("cuda"))
        noisy = predict_noisy_logits(*about, 2, 1e-2, 0, batch=64, engine=Engine("cuda"))
    np.testing.assert_allclose(answers, predict_logits(*about, views, batch=64), atol=2e-3)
    np.testing.assert_allclose(noisy, predict_noisy_logits(*about, 2, 1e-2, 0, batch=64), atol=2e-3)


def test_records_that_do_not_fit_train_the_same_models(digits, make_jobs):
    jobs = on_gpu(make_jobs(Recipe(MLP, (BASE,)), 2), deterministic=True)
    with patch.object(device, "ROOM", 0.0):
        apart = train_group(dataclasses.replace(digits, x=digits.x.copy()), jobs)
    assert [gap(a, b) for a, b in zip(apart, train_group(digits, jobs), strict=True)] == [0.0, 0.0]


def test_a_study_runs_on_the_gpu_from_end_to_end(tmp_path):
    table = {
        "data": {"name": "digits", "records": 600},
        "design": {"name": "random_half", "models": 8},
        "stages": [{"epochs": 20}],
        "defences": ["none", "label_smoothing"],
        "attacks": ["loss", "lira"],
    }
    found = [
        run(Study.of(table | {"engine": {"device": name}}), tmp_path / "store") for name in ("cpu", "cuda")
    ]
    aucs = [
        [row.value for row in each.find(metric="auc", slice="all", attack="lira", adaptive=True)]
        for each in found
    ]
    np.testing.assert_allclose(*aucs, atol=0.03)
    assert "gpu" in found[1].provenance["hardware"]
