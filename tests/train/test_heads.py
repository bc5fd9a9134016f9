"""Surrogate heads: the fits against numpy and scikit-learn, the frozen body, every combination on real digits."""

import dataclasses
from unittest.mock import patch

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from leakbench.core.errors import InputError
from leakbench.defences import DEFENCES
from leakbench.train import run_stages as stages
from leakbench.train.networks.build import loaded
from leakbench.train.networks.headed import SurrogateHead
from leakbench.train.private import spent
from leakbench.train.query import predict_logits
from leakbench.train.recipe import Architecture, Distill, Head, Prune, Recipe, Train, TrainHead
from leakbench.train.recipe.settings import Augment, Optimiser, Privacy
from leakbench.train.run_stages import rehearse, train_group
from leakbench.train.sizes import sizes
from leakbench.train.steps.heads import fit_head, logistic

SMALL = Architecture(hidden=(24, 12))
BASE = Recipe(SMALL, (Train(epochs=25, batch_size=32),))
FITS = [("in_place", "cross_entropy"), ("in_place", "mse")]
FITS += [(fit, "cross_entropy") for fit in ("logits", "predicted", "true")]
COMBINATIONS = [  # each fit with each finetuning, and with both degrees
    {"degree": 1 + (k + n) % 2, "fit": fit, "loss": loss, "finetune": finetune}
    for k, (fit, loss) in enumerate(FITS)
    for n, finetune in enumerate(("none", "cross_entropy", "mse"))
]


def defended(base=BASE, **parameters):
    return DEFENCES.make({"name": "surrogate_head", "epochs": 3, **parameters}).recipe(base)


def gap(a, b):
    assert a.weights.keys() == b.weights.keys()
    return max(np.abs(a.weights[name] - b.weights[name]).max() for name in a.weights)


def answers(digits, recipe, model, rows):
    return predict_logits(digits.x, 10, recipe.architecture, model.weights, rows)[0].astype(np.float64)


def body(model):
    return {name.removeprefix("body."): w for name, w in model.weights.items() if name.startswith("body.")}


@pytest.fixture(scope="module")
def outputs():
    """Logits [n, C] of a mediocre model, and labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 300)
    return 2.0 * np.eye(4)[y] + rng.normal(0, 1.5, (300, 4)) + rng.normal(0, 3, 4), y


def fitted(z, y, degree=1, **parameters):
    """W1, W2, b of a head in float64, and what it answers."""
    head = SurrogateHead(z.shape[1], degree).double()
    fit_head(head, Head(degree=degree, **parameters), z, y)
    with torch.no_grad():
        return head, head(torch.from_numpy(z)).numpy()


@pytest.mark.parametrize("degree", [1, 2])
def test_the_fit_to_the_logits_is_numpys_least_squares(outputs, degree):
    z, y = outputs
    design = np.hstack([z**p for p in range(1, degree + 1)] + [np.ones((len(z), 1))])
    oracle = np.linalg.lstsq(design, z, rcond=None)[0]
    head, out = fitted(z, y, degree, fit="logits")
    np.testing.assert_allclose(head.linear.weight.detach().numpy().T, oracle[:4], atol=1e-9)
    np.testing.assert_allclose(out, z, atol=1e-9)  # which is the identity


def by_sklearn(x, y, l2):
    """Standardised features; the constant is one of them, with a penalty like the others."""
    design = np.hstack([(x - x.mean(0)) / x.std(0), np.ones((len(x), 1))])
    model = LogisticRegression(C=1 / l2, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(design, y)
    return model.predict_log_proba(design)


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("fit", ["predicted", "true"])
@pytest.mark.parametrize("l2", [0.1, 5.0])
def test_the_fits_to_labels_are_sklearns_logistic_regression(outputs, degree, fit, l2):
    z, y = outputs
    features = np.hstack([z**p for p in range(1, degree + 1)])
    oracle = by_sklearn(features, z.argmax(1) if fit == "predicted" else y, l2)
    _, out = fitted(z, y, degree, fit=fit, l2=l2)
    out -= np.log(np.exp(out).sum(1, keepdims=True))
    np.testing.assert_allclose(out, oracle, atol=1e-4)


def test_logistic_is_at_a_stationary_point(outputs):
    z, y = outputs
    w = logistic(z, y, 4, 0.7)
    p = np.exp(z @ w) / np.exp(z @ w).sum(1, keepdims=True)
    slope = sum(np.outer(z[i], p[i] - np.eye(4)[y[i]]) for i in range(len(z))) + 0.7 * w
    assert np.abs(slope).max() < 1e-3


@pytest.mark.parametrize("fit", ["logits", "predicted", "true"])
@pytest.mark.parametrize("degree", [1, 2])
def test_degenerate_answers_are_fitted(fit, degree):
    z = np.random.default_rng(0).normal(size=(50, 3))
    z[:, 0] = 9.0  # always predicted, and constant
    _, out = fitted(z, np.full(50, 2), degree, fit=fit)
    assert np.isfinite(out).all()
    assert (out.argmax(1) == (2 if fit == "true" else 0)).all()


@pytest.mark.parametrize("fit", ["logits", "predicted", "true"])
def test_two_classes_of_which_one_is_the_others_negative(fit):
    z = np.random.default_rng(0).normal(size=(80, 1)) * [1.0, -1.0]
    y = (z[:, 1] > z[:, 0]).astype(np.int64)
    _, out = fitted(z, y, 2, fit=fit)
    assert np.isfinite(out).all() and (out.argmax(1) == y).mean() > 0.95


SHORT = Recipe(SMALL, (Train(epochs=12, batch_size=32),))


@pytest.fixture(scope="module")
def plain(digits, make_jobs):
    """Two models without a head."""
    return train_group(digits, make_jobs(SHORT, 2))


@pytest.mark.parametrize("parameters", COMBINATIONS, ids=lambda p: "-".join(map(str, p.values())))
def test_every_combination_runs_alone_as_in_a_group(digits, make_jobs, plain, parameters):
    recipe = defended(SHORT, **parameters)
    rehearse(digits, recipe)
    together = train_group(digits, make_jobs(recipe, 2))
    with patch.object(stages, "stackable", lambda *_: False):
        alone = train_group(digits, make_jobs(recipe, 2)[1:])[0]
    assert gap(alone, together[1]) < 2e-5
    assert gap(together[0], together[1]) > 1e-3
    out = answers(digits, recipe, together[0], np.arange(1200, 1300))
    assert out.shape == (100, 10) and np.isfinite(out).all()
    for before, after in zip(plain, together, strict=True):  # the body moves in fine-tuning alone
        same = all(np.array_equal(w, body(after)[name]) for name, w in before.weights.items())
        assert same == (parameters["finetune"] == "none")


def test_a_head_fitted_to_the_logits_answers_as_the_body(digits, make_jobs):
    recipe, rows = defended(fit="logits", degree=2), np.arange(1200, 1797)
    (plain,), (headed,) = train_group(digits, make_jobs(BASE, 1)), train_group(digits, make_jobs(recipe, 1))
    np.testing.assert_allclose(
        answers(digits, recipe, headed, rows), answers(digits, BASE, plain, rows), atol=1e-3
    )


def test_fits_see_the_members_and_no_one_else(digits, make_jobs):
    """By hand: the body's answers on the members, scikit-learn's regression, the stored head's answers."""
    (job,) = make_jobs(defended(fit="predicted"), 1)
    (model,) = train_group(digits, [job])
    z = predict_logits(digits.x, 10, SMALL, body(model), job.members)[0].astype(np.float64)
    oracle = by_sklearn(z, z.argmax(1), 1.0)
    found = answers(digits, job.recipe, model, job.members)
    found -= np.log(np.exp(found).sum(1, keepdims=True))
    np.testing.assert_allclose(found, oracle, atol=1e-3)


@pytest.mark.parametrize(
    ("base", "architecture"),
    [
        (Train(epochs=3, batch_size=32), Architecture(hidden=(24, 12), dropout=0.4)),
        (Train(epochs=6, batch_size=32, patience=1, optimiser=Optimiser(lr=0.3)), SMALL),
        (Train(epochs=3, batch_size=32, l1=1e-3, augment=Augment(shift=1)), SMALL),
        (Train(epochs=3, batch_size=32), Architecture("cnn", channels=(3, 5), dropout=0.3)),
        (Train(epochs=1, batch_size=50), Architecture("wrn", depth=10, width=1)),
        (Train(epochs=2, batch_size=50, privacy=Privacy(noise=0.5)), SMALL),
    ],
    ids=["dropout", "early stopping", "l1, augmented", "cnn", "wrn with BatchNorm", "DP-SGD"],
)
def test_the_frozen_body_answers_as_in_inference(digits, make_jobs, base, architecture):
    plain = Recipe(architecture, (base,))
    recipe = dataclasses.replace(plain, stages=(base, Head(degree=2), _frozen(base)))
    before = train_group(digits, make_jobs(plain, 2))
    together = train_group(digits, make_jobs(recipe, 2))
    with patch.object(stages, "stackable", lambda *_: False):
        alone = train_group(digits, make_jobs(recipe, 2)[:1])[0]
    for plain_model, headed in zip(before, together, strict=True):
        assert all(np.array_equal(w, body(headed)[name]) for name, w in plain_model.weights.items())
    assert gap(alone, together[0]) < 2e-5


def _frozen(base):
    same = {f.name: getattr(base, f.name) for f in dataclasses.fields(Train) if f.name != "stage"}
    return TrainHead(**same | {"optimiser": Optimiser("adam", lr=0.01)})


def test_each_model_draws_its_own_head(digits, make_jobs):
    recipe = Recipe(SMALL, (Train(epochs=1), Head(degree=2)))
    one, other = train_group(digits, make_jobs(recipe, 2))
    (again,) = train_group(digits, make_jobs(recipe, 1))
    for name in ("surrogate.linear.weight", "surrogate.linear.bias", "surrogate.square.weight"):
        assert np.array_equal(one.weights[name], again.weights[name])
        assert not np.isclose(one.weights[name], other.weights[name]).any()


def test_a_pruned_body_stays_pruned_under_its_head(digits, make_jobs):
    base = DEFENCES.make({"name": "pruning", "sparsity": 0.5, "epochs": 2}).recipe(BASE)
    for parameters in ({"fit": "in_place"}, {"fit": "true", "finetune": "mse", "finetune_lr": 0.01}):
        recipe = defended(base, **parameters)
        rehearse(digits, recipe)
        for model in train_group(digits, make_jobs(recipe, 2)):
            assert model.masks and all(name.startswith("body.") for name in model.masks)
            for name, mask in model.masks.items():
                assert (model.weights[name][~mask] == 0).all()
            network = loaded(SMALL, (1, 8, 8), 10, model.weights)
            found = sizes(network, (1, 8, 8))
            assert [layer.name for layer in found.layers] == ["layers.0", "layers.1", "layers.2"]


def test_channels_removed_before_the_head_are_loaded(digits, make_jobs):
    base = DEFENCES.make({"name": "pruning", "pruner": "l1_structured", "sparsity": 0.5, "epochs": 2})
    recipe = defended(base.recipe(BASE), fit="true")
    (model,) = train_group(digits, make_jobs(recipe, 1))
    assert answers(digits, recipe, model, np.arange(5)).shape == (5, 10)
    assert model.weights["body.layers.0.weight"].shape[0] < 24


def test_training_goes_on_where_it_was_stopped(digits, make_jobs):
    jobs = make_jobs(defended(fit="in_place", finetune="mse"), 2)
    kept = {}
    train_group(digits, jobs, keep=lambda job, number, model: kept.setdefault((job.seed, number), model))
    last = len(jobs[0].recipe.stages) - 1
    for number in range(last):
        done = [kept[job.seed, number] for job in jobs]
        for job, again in zip(jobs, train_group(digits, jobs, done=done), strict=True):
            assert gap(again, kept[job.seed, last]) == 0


def test_a_student_has_no_head(digits, make_jobs):
    recipe = Recipe(SMALL, (BASE.stages[0], Head(fit="true"), Distill(epochs=2), Head(fit="true")))
    rehearse(digits, recipe)
    assert len(train_group(digits, make_jobs(recipe, 1))[0].weights) == 8


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ((Head(), Head()), "one surrogate head at most"),
        ((Head(), Prune()), "pruned before it gets a surrogate head"),
        ((Head(), Prune(pruner="l1_structured")), "pruned before it gets a surrogate head"),
    ],
)
def test_what_a_head_does_not_go_with_is_said_before_training(digits, after, message):
    with pytest.raises(InputError, match=message):
        rehearse(digits, dataclasses.replace(BASE, stages=(*BASE.stages, *after)))


@pytest.mark.parametrize("stages", [(Train(), TrainHead()), (Train(), Head(), Distill(), TrainHead())])
def test_a_stage_that_trains_a_head_needs_one(stages):
    with pytest.raises(InputError, match="put a `head` stage before it"):
        Recipe(SMALL, stages)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"degree": 3}, "degree"),
        ({"fit": "label"}, "fit"),
        ({"fit": "true", "loss": "mse"}, "loss is that of training in place"),
        ({"finetune": "ce"}, "finetune"),
        ({"l2": 0.0}, "l2 must be above 0"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"finetune_lr": 0.0}, "lr must be above 0"),
    ],
)
def test_wrong_parameters_are_refused(parameters, message):
    with pytest.raises(InputError, match=message):
        defended(**parameters)


def test_weights_of_another_number_of_classes_are_refused(digits, make_jobs):
    (model,) = train_group(digits, make_jobs(defended(fit="true"), 1))
    with pytest.raises(InputError, match="weights of this architecture"):
        loaded(SMALL, (1, 8, 8), 7, model.weights)


def test_a_fitted_head_spends_privacy_without_bound():
    private = Recipe(SMALL, (Train(epochs=1, privacy=Privacy()),))
    assert np.isfinite(spent(private, 500).epsilon)
    assert spent(defended(private, fit="true"), 500).epsilon == np.inf
    assert np.isfinite(spent(defended(private, fit="in_place"), 500).epsilon)
