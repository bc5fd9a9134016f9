"""Ensembles: who leaves out what, that each network is as if alone, and SELENA against the paper, record by record."""

import dataclasses
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leakbench.generators import GENERATORS
from leakbench.train import run_stages as stages
from leakbench.train.job import Job
from leakbench.train.model import inferred, new_network, resume
from leakbench.train.networks.build import loaded
from leakbench.train.query import predict_logits, predict_noisy_logits
from leakbench.train.random_streams import ModelStreams
from leakbench.train.recipe import Architecture, Distill, Ensemble, Generate, MonteCarlo, Recipe, Train
from leakbench.train.recipe.settings import Optimiser
from leakbench.train.run_stages import train_group
from leakbench.train.sizes import sizes
from leakbench.train.stage_data import material
from leakbench.train.steps.ensemble import left_out, network_jobs

SMALL = Architecture(hidden=(24,), dropout=0.2)
RESNET = Architecture("wrn", depth=10, width=1)  # has BatchNorm, and is not stacked
SETTINGS = {"epochs": 3, "batch_size": 32}
NONE = np.empty(0, np.int64)


def ensemble(size=5, leaves_out=2, architecture=SMALL, then=(), **changes):
    stage = Ensemble(size=size, leaves_out=leaves_out, **(SETTINGS | changes))
    return Recipe(architecture, (stage, *then))


def probabilities(logits):
    """The softmax of logits [n, C], as numpy float64."""
    e = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def same(a, b, tolerance=0.0):
    """Whether two models have the same weights."""
    assert a.weights.keys() == b.weights.keys()
    return all(np.allclose(a.weights[name], b.weights[name], rtol=0.0, atol=tolerance) for name in a.weights)


@given(st.integers(1, 12), st.data())
def test_every_record_is_left_out_equally_often(size, data):
    leaves_out = data.draw(st.integers(0, size - 1))
    n, seed = data.draw(st.integers(size, 60)), data.draw(st.integers(0, 5))
    out = left_out(Job(ensemble(size, leaves_out), np.arange(n), NONE, seed))
    assert out.shape == (n, size) and (out.sum(axis=1) == leaves_out).all()
    by_network, rest = out.sum(axis=0), n % size
    full = n // size * leaves_out
    assert (by_network >= full).all() and (by_network <= full + min(rest, leaves_out)).all()


def test_who_leaves_out_what_is_random_and_the_jobs_own(digits):
    out = [left_out(Job(ensemble(10, 3), np.arange(200), NONE, seed)) for seed in (0, 0, 1)]
    assert np.array_equal(out[0], out[1])
    assert (out[0] != out[2]).mean() == pytest.approx(2 * 0.3 * 0.7, abs=0.06)  # as independent draws differ
    together = out[0].astype(int).T @ out[0]  # how often two networks leave out the same record
    assert together[~np.eye(10, dtype=bool)].max() < 40  # of 60: no two networks are copies


def test_each_network_trains_on_what_it_does_not_leave_out(digits, make_jobs):
    (job,) = make_jobs(ensemble(), 1)
    jobs, out = network_jobs(job), left_out(job)
    for k, own in enumerate(jobs):
        assert own.members.tolist() == [
            r for r, o in zip(job.members.tolist(), out[:, k], strict=True) if not o
        ]
        assert own.dev.tolist() == job.dev.tolist()
        assert own.recipe == Recipe(SMALL, (Train(**SETTINGS),))
    assert len({own.seed for own in jobs} | {job.seed}) == 6


def test_an_ensemble_of_one_is_plain_training(digits, make_jobs):
    (job,) = make_jobs(ensemble(1, 0), 1)
    (alone,) = network_jobs(job)
    plain = dataclasses.replace(job, recipe=Recipe(SMALL, (Train(**SETTINGS),)), seed=alone.seed)
    one, single = train_group(digits, [job])[0], train_group(digits, [plain])[0]
    assert {n.removeprefix("networks.0.") for n in one.weights} == single.weights.keys()
    assert all(np.array_equal(one.weights[f"networks.0.{name}"], w) for name, w in single.weights.items())
    rows = np.arange(1200, 1300)
    answers = [predict_logits(digits.x, 10, SMALL, made.weights, rows)[0] for made in (one, single)]
    np.testing.assert_allclose(np.exp(answers[0]), probabilities(answers[1]), atol=1e-6)


@pytest.mark.parametrize("architecture", [SMALL, RESNET], ids=["mlp", "wrn"])
def test_it_answers_with_the_mean_of_its_networks(digits, make_jobs, architecture):
    (job,) = make_jobs(ensemble(3, 1, architecture, epochs=2), 1, members=64)
    made, rows = train_group(digits, [job])[0], np.arange(1200, 1300)
    own = [train_group(digits, [each])[0] for each in network_jobs(job)]
    answers = [
        predict_logits(digits.x, 10, architecture, each.weights, rows, ("identity", "flip"))[1]
        for each in own
    ]
    got = predict_logits(digits.x, 10, architecture, made.weights, rows, ("identity", "flip"))[1]
    np.testing.assert_allclose(np.exp(got), np.mean([probabilities(a) for a in answers], axis=0), atol=1e-5)
    assert np.abs(probabilities(answers[0]) - probabilities(answers[1])).max() > 0.01
    about = (digits.x, 10, architecture)
    noisy = predict_noisy_logits(*about, made.weights, rows, 2, 0.5, 3)
    each = [predict_noisy_logits(*about, one.weights, rows, 2, 0.5, 3)[1] for one in own]
    np.testing.assert_allclose(np.exp(noisy[1]), np.mean([probabilities(a) for a in each], axis=0), atol=1e-5)


@pytest.mark.parametrize("patience", [None, 1])
def test_alone_equals_in_a_group(digits, make_jobs, patience):
    student = Distill(epochs=3, batch_size=32, optimiser=Optimiser(lr=0.02))
    changes = {"patience": patience, "epochs": 6, "optimiser": Optimiser(lr=0.3)}
    jobs = make_jobs(ensemble(4, 1, then=(student,), **changes), 3)
    kept = []
    together = train_group(digits, jobs, keep=lambda job, number, made: kept.append((job, number, made)))
    assert [number for _, number, _ in kept] == [0, 0, 0, 1, 1, 1]
    for job, made in zip(jobs, together, strict=True):
        kept_alone = []
        with patch.object(stages, "stackable", lambda *_: False):
            alone = train_group(digits, [job], keep=lambda *it: kept_alone.append(it))[0]  # noqa: B023
        (whole,) = [m for j, number, m in kept if j is job and number == 0]
        assert same(whole, kept_alone[0][2], 1e-4) and same(made, alone, 1e-4)
        for a, b in zip(alone.log, made.log, strict=True):
            assert (a["stage"], a["epochs"]) == (b["stage"], b["epochs"])
            assert a["dev_losses"] == pytest.approx(b["dev_losses"], abs=1e-4)


def test_no_two_models_share_a_parameter(digits, make_jobs):
    jobs = make_jobs(ensemble(3, 1), 2)
    networks = [
        resume(digits, job, made).network for job, made in zip(jobs, train_group(digits, jobs), strict=True)
    ]
    parameters = [p for network in networks for p in network.parameters()]
    assert len(parameters) == 2 * 3 * 4
    assert len({p.data_ptr() for p in parameters}) == len(parameters)
    assert len({p.detach().numpy().tobytes() for p in parameters}) == len(parameters)


def reference_teacher(dataset, job):
    """Split-AI as the paper writes it: [n, C], a loop over records and over the networks not trained on each."""
    submodels = [(own.members, train_group(dataset, [own])[0]) for own in network_jobs(job)]
    taught = np.zeros((len(job.members), len(dataset.classes)))
    for i, record in enumerate(job.members):
        non_models = [made for members, made in submodels if record not in members]
        assert len(non_models) == job.recipe.stages[0].leaves_out
        for made in non_models:
            answer = predict_logits(
                dataset.x, 10, job.recipe.architecture, made.weights, job.members[i : i + 1]
            )[0]
            taught[i] += probabilities(answer)[0] / len(non_models)
    return taught


def test_selena_is_the_papers(digits, make_jobs):
    student = Distill(epochs=4, batch_size=32, optimiser=Optimiser(lr=0.1, momentum=0.0))
    (job,) = make_jobs(ensemble(7, 3, Architecture(hidden=(24,)), then=(student,)), 1, members=90)
    taught = reference_teacher(digits, job)
    teacher = train_group(digits, [job.until(0)])[0]
    model = resume(digits, job, teacher)
    np.testing.assert_allclose(material(digits, [model], 1).soft[0].numpy(), taught, atol=1e-6)

    network, draws = new_network(digits, job, 1), ModelStreams(job.seed, 1)
    x, t = torch.from_numpy(digits.x[job.members]), torch.from_numpy(taught).float()
    for _ in range(student.epochs):
        for batch in draws.order(90).split(32):
            loss = -(t[batch] * network(x[batch]).log_softmax(dim=1)).sum() / len(batch)
            for p, slope in zip(
                network.parameters(), torch.autograd.grad(loss, [*network.parameters()]), strict=True
            ):
                p.data -= 0.1 * slope
    found = train_group(digits, [job])[0]
    for name, weights in network.state_dict().items():
        np.testing.assert_allclose(found.weights[name], weights.numpy(), atol=1e-5)
    assert same(train_group(digits, [job], done=[teacher])[0], found)  # resumed between the two stages


def test_the_teacher_is_softened_after_its_mean(digits, make_jobs):
    student = Distill(temperature=3.0, **SETTINGS)
    (job,) = make_jobs(ensemble(5, 2, then=(student,)), 1, members=40)
    teacher = train_group(digits, [job.until(0)])[0]
    softened = reference_teacher(digits, job) ** (1 / 3.0)
    want = softened / softened.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(material(digits, [resume(digits, job, teacher)], 1).soft[0], want, atol=1e-5)


@pytest.mark.parametrize("leaves_out", [0, 2])
@pytest.mark.parametrize("on", ["members", "public", "synthetic"])
def test_others_than_members_hear_the_whole_ensemble(digits, make_jobs, on, leaves_out):
    data = dataclasses.replace(digits, parts={"public": np.arange(1200, 1300)})
    then = (Generate(generator=GENERATORS.make("bootstrap")), Distill(on=on, **SETTINGS))
    (job,) = make_jobs(ensemble(5, leaves_out, then=then), 1, members=60)
    model = resume(data, job, train_group(data, [job.until(0)])[0])
    if on == "synthetic":
        model.synthetic = stages.synthetic(data, job, 1)
    found = material(data, [model], 2)
    whole = inferred(model.network, found.x[found.rows[0]]).softmax(dim=1)
    assert torch.allclose(found.soft[0], whole, atol=1e-6) == (on != "members" or leaves_out == 0)


def test_its_cost_is_that_of_all_its_networks(digits, make_jobs):
    (job,) = make_jobs(ensemble(4, 1, Architecture(hidden=(24,))), 1)
    made = train_group(digits, [job])[0]
    (log,) = made.log
    assert log["stage"] == "ensemble" and log["epochs"] == len(log["epoch_seconds"]) == 4 * 3
    assert log["seconds"] == pytest.approx(sum(log["epoch_seconds"]))
    single = 64 * 24 + 24 * 10
    found = sizes(loaded(job.recipe.architecture, (1, 8, 8), 10, made.weights), (1, 8, 8))
    assert found.multiply_adds == 4 * single and found.parameters == 4 * (single + 34)
    assert sum(layer.weights for layer in found.layers) == 4 * single
    assert 16 * (single + 34) < found.bytes < 16 * (single + 34) + 2500


def test_names_alone_do_not_make_an_ensemble(digits, tmp_path, monkeypatch):
    """A user's own network may call its parts what an ensemble calls its."""
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n"
        "class Own(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.networks = nn.ModuleList([nn.Linear(64, 10)])\n"
        "    def forward(self, x):\n"
        "        return self.networks[0](x.flatten(1))\n"
        "def make(shape, classes):\n"
        "    return Own()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = Architecture("custom", factory="own_networks:make")
    plain, several = (
        train_group(digits, [Job(recipe, np.arange(40), NONE, 0)])[0]
        for recipe in (Recipe(own, (Train(**SETTINGS),)), ensemble(3, 1, own))
    )
    assert not hasattr(loaded(own, (1, 8, 8), 10, plain.weights).networks[0], "networks")
    assert len(loaded(own, (1, 8, 8), 10, several.weights).networks) == 3


MONTE_CARLO = Recipe(Architecture(hidden=(24, 12), dropout=0.3), (Train(**SETTINGS), MonteCarlo(passes=9)))


@pytest.mark.parametrize("name", ["mlp", "cnn", "column_fc"])
def test_monte_carlo_is_the_mean_over_its_masks(digits, make_jobs, name):
    """Against a loop that zeroes inputs of layers manually."""
    architecture = Architecture(name, hidden=(24, 12), channels=(3, 5), dropout=0.3)
    jobs = make_jobs(dataclasses.replace(MONTE_CARLO, architecture=architecture), 2)
    made, other = train_group(digits, jobs)
    rows = np.arange(1200, 1260)
    x, w, kept = digits.x[rows], made.weights, made.weights["kept"]
    widths = {"mlp": (24, 12), "cnn": (5 * 4,), "column_fc": (256, 128)}[name]
    assert kept.shape == (9, sum(widths)) and kept.dtype == bool
    assert kept.mean() == pytest.approx(0.7, abs=0.08) and not np.array_equal(kept, other.weights["kept"])
    assert len({row.tobytes() for row in kept}) == 9

    def relu_conv(x, layer):
        weight, bias = (torch.from_numpy(w[f"network.{layer}.{part}"]) for part in ("weight", "bias"))
        return torch.conv2d(torch.as_tensor(x), weight, bias, stride=2, padding=1).relu().numpy()

    mean = np.zeros((60, 10))
    for mask in kept:
        if name == "cnn":
            hidden = relu_conv(relu_conv(x, "first"), "second").reshape(60, -1) * mask / 0.7
            logits = hidden @ w["network.last.weight"].T + w["network.last.bias"]
        else:
            hidden = x.reshape(60, -1)
            for i, own in enumerate(np.split(mask, [widths[0]])):
                hidden = hidden @ w[f"network.layers.{i}.weight"].T + w[f"network.layers.{i}.bias"]
                hidden = np.maximum(hidden, 0) * own / 0.7
            logits = hidden @ w["network.layers.2.weight"].T + w["network.layers.2.bias"]
        mean += probabilities(logits) / 9
    got = predict_logits(digits.x, 10, architecture, w, rows)[0]
    np.testing.assert_allclose(np.exp(got), mean, atol=1e-5)
    backwards = predict_logits(digits.x, 10, architecture, w, rows[::-1], batch=7)[0]
    np.testing.assert_allclose(backwards[::-1], got, atol=1e-5)  # whoever asks along changes nothing


def test_monte_carlo_trains_as_dropout_does_and_costs_its_passes(digits, make_jobs):
    (job,) = make_jobs(MONTE_CARLO, 1)
    plain = train_group(digits, [job.until(0)])[0]
    made = train_group(digits, [job])[0]
    assert all(np.array_equal(made.weights[f"network.{name}"], w) for name, w in plain.weights.items())
    assert same(train_group(digits, [job], done=[plain])[0], made)
    shape, architecture = (1, 8, 8), job.recipe.architecture
    one, nine = (sizes(loaded(architecture, shape, 10, m.weights), shape) for m in (plain, made))
    assert nine.multiply_adds == 9 * one.multiply_adds and nine.parameters == one.parameters


def test_many_passes_come_near_fresh_dropout(digits, make_jobs):
    """The mean over 4,000 kept masks is that over masks of each record's own."""
    (job,) = make_jobs(
        dataclasses.replace(MONTE_CARLO, stages=(Train(**SETTINGS), MonteCarlo(passes=4000))), 1
    )
    made, rows = train_group(digits, [job])[0], np.arange(1200, 1210)
    released = np.exp(predict_logits(digits.x, 10, job.recipe.architecture, made.weights, rows)[0])
    network = loaded(job.recipe.architecture, (1, 8, 8), 10, made.weights).network
    x = torch.from_numpy(digits.x[rows]).repeat_interleave(4000, dim=0)
    uniform = torch.rand(len(x), 36, generator=torch.Generator().manual_seed(0))
    dropped = ((uniform >= 0.3) / 0.7).split((24, 12), dim=1)
    fresh = network(x, dropped).softmax(dim=1).view(10, 4000, 10)
    error = np.sqrt(2) * fresh.std(dim=1).numpy() / np.sqrt(4000)
    assert (np.abs(released - fresh.mean(dim=1).numpy()) < 5 * error + 1e-6).all()
