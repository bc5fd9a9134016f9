"""DP-SGD against per-record gradients computed one by one, and its accountant against the Gaussian mechanism."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from opacus.accountants import create_accountant
from scipy.optimize import brentq
from scipy.stats import norm
from torch.nn.functional import cross_entropy

from leakbench.core.errors import InputError
from leakbench.generators import GENERATORS
from leakbench.train import run_stages
from leakbench.train.job import Job
from leakbench.train.model import new_network
from leakbench.train.private import promise, spent
from leakbench.train.random_streams import ModelStreams
from leakbench.train.recipe import Architecture, Finetune, Generate, Prune, Recipe, Train
from leakbench.train.recipe.settings import Optimiser, Privacy
from leakbench.train.run_stages import train_group

N = 30
NONE = np.empty(0, np.int64)
SMALL = Architecture(hidden=(8,))
STAGE = Train(
    epochs=1, batch_size=N, optimiser=Optimiser(lr=0.5, momentum=0.0), privacy=Privacy(0.0, clip=0.7)
)


def make_job(stage=STAGE, seed=5, architecture=SMALL):
    return Job(Recipe(architecture, (stage,)), np.arange(N), NONE, seed)


def one_by_one(digits, network, clip):
    """The mean of the records' gradients, each scaled to a norm of at most `clip`."""
    mean = [torch.zeros_like(p) for p in network.parameters()]
    for i in range(N):
        network.zero_grad()
        cross_entropy(network(torch.from_numpy(digits.x[i : i + 1])), torch.tensor([digits.y[i]])).backward()
        size = math.sqrt(sum(float((p.grad**2).sum()) for p in network.parameters()))
        for total, p in zip(mean, network.parameters(), strict=True):
            total += p.grad * min(1.0, clip / size) / N
    return mean


@pytest.mark.parametrize("clip", [0.7, 1e6])
@pytest.mark.parametrize("alone", [False, True], ids=["stacked", "by Opacus"])
@pytest.mark.parametrize(
    "architecture",
    [SMALL, Architecture("cnn", channels=(3, 5), dropout=0.0)],
    ids=["mlp", "cnn"],
)
def test_a_step_without_noise_clips_each_record(digits, monkeypatch, architecture, alone, clip):
    if alone:
        monkeypatch.setattr(run_stages, "stackable", lambda *_: False)
    job = make_job(dataclasses.replace(STAGE, privacy=Privacy(0.0, clip)), architecture=architecture)
    found = train_group(digits, [job])[0].weights
    network = new_network(digits, job)
    steps = one_by_one(digits, network, clip)
    for (name, p), step in zip(network.named_parameters(), steps, strict=True):
        np.testing.assert_allclose(found[name], (p - 0.5 * step).detach().numpy(), atol=1e-7)


CHANNELS_LAST = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.Flatten())
        self.last = nn.LazyLinear(10)
        self.last(self.body(torch.zeros(1, 1, 8, 8)))
        self.to(memory_format=torch.channels_last)

    def forward(self, x):
        return self.last(self.body(x.to(memory_format=torch.channels_last)))

def make(shape, classes):
    torch.manual_seed(0)
    return Network()
"""


def test_records_are_clipped_whatever_the_layout_of_the_users_network(digits, tmp_path, monkeypatch):
    (tmp_path / "own_channels_last.py").write_text(CHANNELS_LAST)
    monkeypatch.syspath_prepend(tmp_path)
    job = make_job(architecture=Architecture("custom", factory="own_channels_last:make"))
    found, network = train_group(digits, [job])[0].weights, new_network(digits, job)
    steps = one_by_one(digits, network, clip=0.7)
    for (name, p), step in zip(network.named_parameters(), steps, strict=True):
        np.testing.assert_allclose(found[name], (p - 0.5 * step).detach().numpy(), atol=1e-6)


def test_the_noise_has_the_right_size(digits):
    quiet = train_group(digits, [make_job()])[0].weights
    noisy = train_group(digits, [make_job(dataclasses.replace(STAGE, privacy=Privacy(2.0, clip=0.7)))])[
        0
    ].weights
    noise = np.concatenate([(noisy[name] - quiet[name]).ravel() for name in quiet])
    assert noise.std() == pytest.approx(0.5 * 2.0 * 0.7 / N, rel=0.12)  # lr noise clip / batch, 600 weights


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_an_empty_batch_takes_a_step_of_noise(digits, name):
    def empty(seed):
        draws = ModelStreams(seed, 0)
        return not any(len(draws.poisson(2, 0.5)) for _ in range(2))

    stage = dataclasses.replace(STAGE, batch_size=1, privacy=Privacy(2.0, clip=0.7))
    recipe = Recipe(Architecture(name, hidden=(8,)), (stage,))
    job = Job(recipe, np.arange(2), NONE, seed=next(filter(empty, range(99))))
    trained, start = train_group(digits, [job])[0], new_network(digits, job).state_dict()
    moved = np.concatenate([(trained.weights[key] - w.numpy()).ravel() for key, w in start.items()])
    assert moved.std() == pytest.approx(0.5 * 2.0 * 0.7 * math.sqrt(2), rel=0.12)  # lr noise clip, two steps
    assert trained.log[0]["train_loss"] == 0.0


def test_pruned_weights_stay_zero_under_noise(digits):
    stages = (Train(epochs=1), Prune(sparsity=0.6), Finetune(epochs=2, batch_size=10, privacy=Privacy(1.0)))
    trained = train_group(digits, [dataclasses.replace(make_job(), recipe=Recipe(SMALL, stages))])[0]
    for name, mask in trained.masks.items():
        assert (trained.weights[name][~mask] == 0).all() and (trained.weights[name][mask] != 0).any()


def test_same_seed_same_noise_and_the_global_stream_left_alone(digits):
    job = make_job(dataclasses.replace(STAGE, privacy=Privacy(1.0), batch_size=7, epochs=2))
    before = torch.random.get_rng_state()
    a, b = (train_group(digits, [job])[0].weights for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_batchnorm_is_refused():
    from leakbench.data.dataset import Dataset

    rng = np.random.default_rng(0)
    images = Dataset("noise", rng.random((40, 3, 32, 32), np.float32), rng.integers(0, 2, 40), ("a", "b"), {})
    with pytest.raises(InputError, match=r'without BatchNorm.*norm = "group"'):
        train_group(images, [make_job(architecture=Architecture("resnet9"))])


def epsilon(recipe, members):
    found = spent(recipe, members)
    return None if found is None else found.epsilon


def gaussian_epsilon(noise, delta):
    """One release of a sum with sensitivity 1: delta(eps) = Phi(1/2s - eps s) - e^eps Phi(-1/2s - eps s)."""

    def excess(e):
        return norm.cdf(0.5 / noise - e * noise) - math.exp(e) * norm.cdf(-0.5 / noise - e * noise) - delta

    return brentq(excess, 0, 50)


@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_epsilon_of_one_full_batch_is_the_gaussian_mechanisms(noise):
    stage = dataclasses.replace(STAGE, privacy=Privacy(noise, delta=1e-5))
    found = epsilon(Recipe(SMALL, (stage,)), N)
    assert gaussian_epsilon(noise, 1e-5) <= found <= gaussian_epsilon(noise, 1e-5) * 1.02 + 0.01


@pytest.mark.parametrize("name", ["rdp", "prv"])
def test_a_promise_is_what_opacus_accountant_says_at_each_delta(name):
    stage = dataclasses.replace(STAGE, epochs=2, privacy=Privacy(1.0, delta=1e-5))
    found = dict(promise(Recipe(SMALL, (stage,)), 10 * N, name))
    for delta in (min(found), 1e-3, 0.1):
        accountant = create_accountant(name)
        accountant.history = [(1.0, 0.1, 20)]
        assert found[delta] == pytest.approx(accountant.get_epsilon(delta=delta), abs=0.01)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_epsilon_grows_with_epochs_and_falls_with_noise():
    def of(**changes):
        return epsilon(Recipe(SMALL, (dataclasses.replace(STAGE, batch_size=64, **changes),)), 2000)

    once = of(epochs=5, privacy=Privacy(1.0))
    assert of(epochs=10, privacy=Privacy(1.0)) > once > of(epochs=5, privacy=Privacy(2.0)) > 0


def test_a_vacuous_epsilon_is_found_in_no_time():
    stage = dataclasses.replace(STAGE, batch_size=64, epochs=30, privacy=Privacy(0.05))
    found = spent(Recipe(SMALL, (stage,)), 2500)
    assert found.accountant == "rdp" and found.epsilon > 1000


def test_epsilon_covers_the_whole_pipeline_or_is_infinite():
    private, bare = dataclasses.replace(STAGE, privacy=Privacy(1.0)), Train()
    generate = Generate(generator=GENERATORS.make("bootstrap"))
    public = dataclasses.replace(generate, fitted_on="public")
    assert epsilon(Recipe(SMALL, (bare,)), N) is None
    assert epsilon(Recipe(SMALL, (bare, Prune(), Finetune(privacy=Privacy(1.0)))), N) == math.inf
    assert epsilon(Recipe(SMALL, (private, generate, Finetune(on="synthetic"))), N) == math.inf
    covered = Recipe(SMALL, (private, public, Finetune(on="synthetic")))
    assert epsilon(covered, N) == epsilon(Recipe(SMALL, (private,)), N) < math.inf
    assert epsilon(Recipe(SMALL, (dataclasses.replace(STAGE, privacy=Privacy(0.0)),)), N) == math.inf
