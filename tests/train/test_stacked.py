"""Alone == in a group, feature by feature; and what training must do besides."""

import dataclasses
from functools import cache
from unittest.mock import patch

import numpy as np
import pytest
import torch

from leakbench.core.cpu import threads
from leakbench.core.errors import InputError
from leakbench.data.dataset import Dataset
from leakbench.generators import GENERATORS
from leakbench.train import run_stages as stages
from leakbench.train.job import Job, diverged, groups
from leakbench.train.losses import LOSSES, CrossEntropy
from leakbench.train.model import start
from leakbench.train.networks.build import laid_out, loaded
from leakbench.train.networks.mean_softmax import EnsembleNetwork
from leakbench.train.query import predict_logits
from leakbench.train.recipe import (
    Architecture,
    Distill,
    Finetune,
    Generate,
    Head,
    Prune,
    Recipe,
    Train,
    TrainHead,
)
from leakbench.train.recipe.settings import Augment, Optimiser, Privacy, Schedule
from leakbench.train.run_stages import train_group

SMALL = Architecture(hidden=(24, 12))
WIDE = Architecture(hidden=(512, 16))
BASE = Train(epochs=5, batch_size=32)


def recipe(architecture=SMALL, **changes):
    return Recipe(architecture, (dataclasses.replace(BASE, **changes),))


def train_alone(dataset, job):
    """One model by the plain loop."""
    with patch.object(stages, "stackable", lambda *_: False):
        return train_group(dataset, [job])[0]


def gap(a, b):
    """The largest difference between two models' weights; infinite where their shapes differ."""
    assert a.weights.keys() == b.weights.keys()
    if any(a.weights[name].shape != b.weights[name].shape for name in a.weights):
        return np.inf
    return max(np.abs(a.weights[name] - b.weights[name]).max() for name in a.weights)


FEATURES = {
    "sgd": recipe(),
    "no momentum": recipe(optimiser=Optimiser(momentum=0.0)),
    "adam": recipe(optimiser=Optimiser("adam", lr=0.01)),
    "adam, weight decay": recipe(optimiser=Optimiser("adam", lr=0.01, weight_decay=0.01)),
    "weight decay": recipe(optimiser=Optimiser(weight_decay=0.05)),
    "cosine": recipe(schedule=Schedule("cosine")),
    "steps": recipe(schedule=Schedule("steps", (0.4, 0.8), 0.3)),
    "label smoothing": recipe(loss=CrossEntropy(smoothing=0.3)),
    "dropout": recipe(Architecture(hidden=(24, 12), dropout=0.4)),
    "shift and flip": recipe(augment=Augment(shift=2, flip=True)),
    "wide": recipe(WIDE, optimiser=Optimiser(lr=0.02, weight_decay=0.01)),
    "wide, adam, dropout": recipe(
        dataclasses.replace(WIDE, dropout=0.3), optimiser=Optimiser("adam", lr=0.01)
    ),
    "wide, l1": recipe(WIDE, l1=0.01),
    "wide, early stopping": recipe(WIDE, epochs=15, patience=1, optimiser=Optimiser("adam", lr=0.01)),
    "wide, pruned": Recipe(
        WIDE, (BASE, Prune(sparsity=0.7), Finetune(epochs=3, batch_size=32, optimiser=Optimiser(lr=0.02)))
    ),
    "no hidden layer": recipe(Architecture(hidden=())),
    "batch of all": recipe(batch_size=1000),
    "cnn": recipe(Architecture("cnn", channels=(3, 5))),
    "cnn, dropout, augmented": recipe(
        Architecture("cnn", channels=(3, 5), dropout=0.3), augment=Augment(shift=1, flip=True)
    ),
    "early stopping": recipe(epochs=15, patience=1, optimiser=Optimiser(lr=0.4)),
    "early stopping, adam": recipe(epochs=15, patience=2, optimiser=Optimiser("adam", lr=0.05)),
    "two stages": Recipe(
        Architecture(hidden=(24,), dropout=0.2),
        (
            dataclasses.replace(BASE, patience=1, epochs=10, optimiser=Optimiser(lr=0.4)),
            dataclasses.replace(
                BASE, epochs=2, optimiser=Optimiser("adam", lr=0.001), loss=CrossEntropy(smoothing=0.1)
            ),
        ),
    ),
    "l1": recipe(l1=0.01),
    "ppb": recipe(loss=LOSSES.make("ppb")),
    "entropy penalty": recipe(loss=LOSSES.make({"name": "entropy_regularization", "weight": 0.5})),
    "inverse entropy": recipe(loss=LOSSES.make({"name": "entropy_regularization", "form": "inverse"})),
    "focal": recipe(loss=LOSSES.make("focal")),
    "relaxloss": recipe(loss=LOSSES.make({"name": "relaxloss", "alpha": 2.2})),
    "relaxloss, all flattened": recipe(
        loss=LOSSES.make({"name": "relaxloss", "alpha": 2.2, "upper": 0.3, "flattened": "all"})
    ),
    "ccel": recipe(loss=LOSSES.make({"name": "convex_concave", "beta": 1.0})),
    "ccql": recipe(loss=LOSSES.make({"name": "convex_concave", "form": "ccql", "beta": 1.0})),
    "focal_ccel": recipe(loss=LOSSES.make({"name": "convex_concave", "form": "focal_ccel", "beta": 1.0})),
    "hamp": recipe(loss=LOSSES.make({"name": "hamp", "gamma": 0.5})),
    "mixup": recipe(augment=Augment(mixup=1.0)),
    "mixup, shifted, cnn": recipe(Architecture("cnn", channels=(3, 5)), augment=Augment(shift=1, mixup=0.4)),
    "mixup, early stopping": recipe(
        epochs=15, patience=1, optimiser=Optimiser(lr=0.4), augment=Augment(mixup=1.0)
    ),
    "mixup of a teacher's answers": Recipe(
        SMALL, (BASE, Distill(epochs=3, batch_size=32, augment=Augment(mixup=1.0)))
    ),
    "pruned and fine-tuned": Recipe(
        SMALL, (BASE, Prune(sparsity=0.7), Finetune(epochs=3, batch_size=32, l1=0.01))
    ),
    "pruned, then stopped early": Recipe(
        SMALL,
        (
            BASE,
            Prune(sparsity=0.7),
            Finetune(epochs=15, batch_size=32, patience=1, optimiser=Optimiser(lr=0.4)),
        ),
    ),
    "pruned cnn, both kinds of layer": Recipe(
        Architecture("cnn", channels=(3, 5)),
        (
            BASE,
            Prune(sparsity=0.5, scope="layer", layers="all"),
            Finetune(epochs=2, optimiser=Optimiser("adam", lr=1e-3)),
        ),
    ),
    "channels removed": Recipe(
        Architecture(hidden=(24, 12), dropout=0.2),
        (BASE, Prune("prune", "l1_structured", 0.5, "layer"), Finetune(epochs=2, batch_size=32)),
    ),
    "synthetic": Recipe(
        SMALL,
        (
            BASE,
            Generate(generator=GENERATORS.make("bootstrap")),
            Finetune(on="synthetic", epochs=2, batch_size=32, optimiser=Optimiser(lr=0.05)),
        ),
    ),
    "dp-sgd, dropout, l1": recipe(
        Architecture(hidden=(24, 12), dropout=0.3), privacy=Privacy(0.5, clip=0.3), l1=0.001
    ),
    "dp-sgd, smoothed": recipe(privacy=Privacy(0.5), loss=CrossEntropy(smoothing=0.2)),
    "dp-sgd, cnn, augmented": recipe(
        Architecture("cnn", channels=(3, 5), dropout=0.3), privacy=Privacy(0.5), augment=Augment(1, True)
    ),
    "dp-sgd, early stopping": recipe(
        epochs=15, patience=1, optimiser=Optimiser(lr=0.4), privacy=Privacy(0.2)
    ),
    "dp-sgd, pruned": Recipe(
        SMALL, (BASE, Prune(sparsity=0.7), Finetune(epochs=3, batch_size=32, privacy=Privacy(1.0)))
    ),
    "distilled": Recipe(
        SMALL,
        (
            BASE,
            Distill(
                epochs=3, batch_size=32, temperature=3.0, keep_fraction=0.8, optimiser=Optimiser(lr=0.02)
            ),
        ),
    ),
}


OF_A_HEAD = Recipe(SMALL, (BASE, Head(degree=2), TrainHead(epochs=3, batch_size=32, privacy=Privacy(1.0))))


@pytest.mark.parametrize("made", [*FEATURES.values(), OF_A_HEAD], ids=[*FEATURES, "dp-sgd of a head"])
def test_alone_equals_in_a_group(digits, make_jobs, made):
    jobs = make_jobs(made, 3)
    alone, together = train_alone(digits, jobs[2]), train_group(digits, jobs)[2]
    assert gap(alone, together) < 1e-4  # a changed draw or rule moves weights by more than 1e-2
    assert len(alone.log) == len(together.log) == len(made.stages)
    for a, b in zip(alone.log, together.log, strict=True):
        assert a["stage"] == b["stage"] and a.get("epochs") == b.get("epochs")
        assert b.get("train_loss", 0) == pytest.approx(a.get("train_loss", 0), abs=1e-4)
        assert b.get("dev_losses", []) == pytest.approx(a.get("dev_losses", []), abs=1e-4)
    assert alone.masks.keys() == together.masks.keys()
    assert all(np.array_equal(alone.masks[name], together.masks[name]) for name in alone.masks)


def without(made):
    """The recipe with its architecture, but dropout and stages as in the base."""
    return Recipe(dataclasses.replace(made.architecture, dropout=0.0), (BASE,))


@pytest.fixture(scope="module")
def trained(digits, make_jobs):
    """One model of a recipe; that of each recipe is trained once."""
    return cache(lambda made: train_group(digits, make_jobs(made, 1))[0])


@pytest.mark.parametrize("feature", [name for name, made in FEATURES.items() if made != without(made)])
def test_each_feature_changes_the_weights(trained, feature):
    """Else the equality above would also hold for two engines that ignore the feature."""
    made = FEATURES[feature]
    assert gap(trained(made), trained(without(made))) > 1e-2


def test_the_composition_of_a_group_does_not_matter(digits, make_jobs):
    made = recipe(
        Architecture(hidden=(24,), dropout=0.2),
        patience=1,
        epochs=12,
        optimiser=Optimiser(lr=0.4),
        augment=Augment(1),
    )
    jobs = make_jobs(made, 6)
    together = train_group(digits, jobs)
    apart = [trained for part in (jobs[4:], jobs[1:4], jobs[:1]) for trained in train_group(digits, part)]
    apart = [apart[5], *apart[2:5], *apart[:2]]
    assert len({t.log[0]["epochs"] for t in together}) > 1  # some stop before others
    assert max(gap(a, b) for a, b in zip(together, apart, strict=True)) < 1e-4


def test_groups_larger_than_fit_the_caches_are_trained_in_parts(digits, make_jobs, monkeypatch):
    jobs = make_jobs(recipe(), 5)
    whole = train_group(digits, jobs)
    monkeypatch.setattr(stages, "STACK_BYTES", 16_000)  # two models of 8 kB
    done = []
    parts = train_group(digits, jobs, done.append)
    assert max(gap(a, b) for a, b in zip(whole, parts, strict=True)) < 1e-4
    assert done == sorted(done) and done[-1] == 1.0 and len(done) == 3 * BASE.epochs


def test_large_images_go_one_by_one_to_the_same_weights(make_jobs):
    rng = np.random.default_rng(0)
    images = Dataset(
        "noise", rng.random((1200, 3, 16, 16), np.float32), rng.integers(0, 4, 1200), tuple("abcd"), {}
    )
    jobs = make_jobs(recipe(Architecture("cnn", channels=(3, 4)), epochs=1), 2)
    for job, trained in zip(jobs, train_group(images, jobs), strict=True):
        assert gap(trained, train_alone(images, job)) == 0.0


def test_same_seed_same_bits(digits, make_jobs):
    jobs = make_jobs(recipe(Architecture(hidden=(24,), dropout=0.3), augment=Augment(1, True)), 3)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first = train_group(digits, jobs)
    assert torch.equal(before, torch.random.get_rng_state())  # the global stream is left as it was
    torch.manual_seed(1)
    assert all(gap(a, b) == 0.0 for a, b in zip(first, train_group(digits, jobs), strict=True))


@pytest.mark.parametrize(
    ("architecture", "size"),
    [
        (Architecture(hidden=(64, 32), dropout=0.1), 8),
        (WIDE, 8),
        (Architecture("cnn", channels=(8, 16)), 8),  # stacked
        (Architecture("cnn", channels=(8, 16)), 24),  # in the loop, as the others are
        (Architecture("wrn", depth=10, width=1), 8),
    ],
)
def test_the_same_bits_with_any_number_of_threads_and_in_any_group(digits, make_jobs, architecture, size):
    """So a measurement may decide on threads, and a run may be stopped and go on with other groups."""
    x = np.repeat(np.repeat(digits.x, size // 8, axis=2), size // 8, axis=3)
    images = dataclasses.replace(digits, x=x)
    jobs = make_jobs(recipe(architecture, epochs=1), 4, members=70, dev=0)
    trained = []
    for n, group in ((1, 4), (2, 4), (1, 1), (2, 1), (2, 3)):
        with threads(n):
            trained.append([t for batch in groups(jobs, group) for t in train_group(images, batch)])
    assert {gap(a, b) for other in trained for a, b in zip(trained[0], other, strict=True)} == {0.0}


@pytest.mark.parametrize(
    "architecture", [Architecture(hidden=(64, 32), dropout=0.1), Architecture("cnn", channels=(3, 5))]
)
def test_the_same_bits_in_any_group_with_privacy(digits, make_jobs, architecture):
    """The batches of DP-SGD differ in size, so those of a group are filled up."""
    jobs = make_jobs(recipe(architecture, epochs=2, privacy=Privacy(1.0)), 4)
    apart = [trained for job in jobs for trained in train_group(digits, [job])]
    assert [gap(a, b) for a, b in zip(train_group(digits, jobs), apart, strict=True)] == [0.0] * 4


def test_convolutions_are_laid_out_channels_last_and_a_factory_s_are_not(digits, make_jobs):
    (job,) = make_jobs(recipe(Architecture("cnn", channels=(3, 5))), 1)
    network = start(digits, job).network
    again = loaded(job.recipe.architecture, digits.x.shape[1:], 10, train_group(digits, [job])[0].weights)
    for each in (network, again):
        assert each.second.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(value.flags.c_contiguous for value in start(digits, job).trained().weights.values())
    network.from_factory = True
    contiguous = network.to(memory_format=torch.contiguous_format)
    assert laid_out(contiguous).second.weight.is_contiguous()
    ensemble = laid_out(EnsembleNetwork([contiguous]))
    assert [part.is_contiguous() for part in ensemble.parameters()] == [True] * 6


def test_another_seed_gives_another_model(digits, make_jobs):
    job = make_jobs(recipe(), 1)[0]
    a, b = train_group(digits, [job, dataclasses.replace(job, seed=job.seed + 1)])
    assert gap(a, b) > 0.1


@pytest.mark.parametrize(
    ("architecture", "optimiser"),
    [
        (Architecture(hidden=(64, 32)), Optimiser(lr=0.1)),
        (Architecture("cnn", channels=(8, 16)), Optimiser("adam", lr=0.01)),
    ],
    ids=["mlp", "cnn"],
)
def test_it_learns_digits(digits, make_jobs, architecture, optimiser):
    jobs = make_jobs(recipe(architecture, epochs=15, optimiser=optimiser), 4, members=900)
    weights = [trained.weights for trained in train_group(digits, jobs)]
    held_out = np.arange(1200, len(digits.x))
    logits = predict_logits(digits.x, len(digits.classes), architecture, weights, held_out)  # [K, V, N, C]
    assert ((logits[:, 0].argmax(axis=-1) == digits.y[held_out]).mean(axis=1) > 0.9).all()


def test_early_stopping_keeps_the_weights_of_the_best_dev_loss(digits, make_jobs):
    made = recipe(epochs=30, patience=2, optimiser=Optimiser(lr=0.3))
    for job, trained in zip(jobs := make_jobs(made, 6), train_group(digits, jobs), strict=True):
        (log,) = trained.log
        losses = log["dev_losses"]
        best = int(np.argmin(losses))
        assert len(losses) == min(best + 3, 30) == log["epochs"]
        z = predict_logits(digits.x, len(digits.classes), SMALL, trained.weights, job.dev)[0].astype(
            np.float64
        )
        z -= z.max(axis=1, keepdims=True)
        own = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), digits.y[job.dev]]
        assert own.mean() == pytest.approx(losses[best], abs=1e-5)


@pytest.mark.parametrize(
    "engine", [lambda d, jobs: train_group(d, jobs), lambda d, jobs: train_alone(d, jobs[1])]
)
def test_a_model_that_diverges_says_so_in_its_log(digits, make_jobs, engine):
    jobs = make_jobs(recipe(optimiser=Optimiser(lr=1e29)), 2)
    trained = engine(digits, jobs)
    for each in trained if isinstance(trained, list) else [trained]:
        assert "not finite" in diverged(each.log)
        assert each.log[-1]["train_loss"] is None


def test_the_data_set_is_not_written_to(digits, make_jobs):
    x, y = digits.x.copy(), digits.y.copy()
    x.setflags(write=False)
    frozen = Dataset("frozen", x, y, digits.classes, {})
    train_group(frozen, make_jobs(recipe(augment=Augment(2, True), epochs=1), 2))
    assert np.array_equal(digits.x, x) and np.array_equal(digits.y, y)


def test_groups_share_recipe_and_counts_and_keep_the_order(make_jobs):
    one, two = make_jobs(recipe(), 5), make_jobs(recipe(epochs=2), 2)
    mixed = [one[0], two[0], *one[1:], two[1], *make_jobs(recipe(), 1, members=99)]
    assert [[job.seed for job in group] for group in groups(mixed, 3)] == [
        [100, 101, 102],
        [103, 104],
        [100, 101],
        [100],
    ]
    with pytest.raises(InputError, match="size of a group"):
        groups(mixed, 0)


def test_what_does_not_fit_is_refused(digits, make_jobs):
    ok = make_jobs(recipe(), 1)[0]
    table = Dataset("table", digits.x.reshape(-1, 64), digits.y, digits.classes, {})
    none = np.empty(0, np.int64)
    with pytest.raises(InputError, match="share recipe"):
        train_group(digits, [ok, *make_jobs(recipe(epochs=2), 1)])
    with pytest.raises(InputError, match="at least one job"):
        train_group(digits, [])
    with pytest.raises(InputError, match=r"rows of 'digits', 0\.\.1796, got 1797"):
        train_group(digits, [Job(recipe(), np.array([3, 1797]), none, 0)])
    with pytest.raises(InputError, match="shift and flip need images"):
        train_group(table, make_jobs(recipe(augment=Augment(1)), 1))
    for engine in (lambda job: train_group(table, [job]), lambda job: train_alone(table, job)):
        with pytest.raises(InputError, match="'cnn' needs images"):
            engine(make_jobs(recipe(Architecture("cnn")), 1)[0])


def test_zeros_stay_zero_when_channels_are_removed_later(digits, make_jobs):
    stages = (
        BASE,
        Prune(sparsity=0.5),
        Finetune(epochs=1),
        Prune(pruner="l1_structured", sparsity=0.25, scope="layer"),
        Finetune(epochs=3, batch_size=32, optimiser=Optimiser(lr=0.1)),
    )
    for trained in train_group(digits, make_jobs(Recipe(SMALL, stages), 2)):
        assert trained.weights["layers.0.weight"].shape == (18, 64)
        for name, mask in trained.masks.items():
            assert mask.shape == trained.weights[name].shape
            assert 0.2 < 1 - mask.mean() < 0.8
            assert (trained.weights[name][~mask] == 0).all()


def test_a_second_pruning_never_brings_weights_back(digits, make_jobs):
    stages = (BASE, Prune(sparsity=0.6), Finetune(epochs=1), Prune(sparsity=0.2), Finetune(epochs=1))
    (trained,) = train_group(digits, make_jobs(Recipe(SMALL, stages), 1))
    zeros = sum(int((~mask).sum()) for mask in trained.masks.values())
    assert zeros == round(0.6 * sum(mask.size for mask in trained.masks.values()))
