"""The attackers that are torch networks: what they are fed, what they compute, how they are fitted."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from leakbench.attacks import ATTACKS, Attack
from leakbench.attacks._layers import Dropout, EncoderLayer, initialised
from leakbench.attacks._network import NetworkAttack, _batches
from leakbench.core.errors import InputError
from leakbench.evaluation.scoring import applicable, score_targets
from leakbench.signals.models import Models, Target
from leakbench.signals.types import Array, Signals

from .worlds import auc, quick, world

NETWORKS = [name for name in ATTACKS.names() if issubclass(ATTACKS.get(name), NetworkAttack)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(name: str, inputs: int) -> nn.Module:
    return initialised(ATTACKS.make(name).network(inputs, generator()), generator(1))


def features(name: str, f: list, noisy: list | None = None, labels: tuple[int, ...] = (1, 0)) -> Array:
    """The features of records [N, C] in one view, from probabilities, with eps = 1e-3."""
    answers = None if noisy is None else np.log(noisy)[None]
    signals = Signals(np.array(labels), np.log(f)[None, None], noisy=answers)
    return ATTACKS.make(name).features(Target(signals, 0))


F = [[0.1, 0.2, 0.3, 0.4], [0.7, 0.05, 0.15, 0.1]]


def test_features_of_the_posteriors() -> None:
    falling = np.sort(F, axis=1)[:, ::-1]
    np.testing.assert_allclose(features("nn", F), falling, rtol=1e-12)
    np.testing.assert_allclose(features("nn_top3", F), [[0.4, 0.3, 0.2], [0.7, 0.15, 0.1]], rtol=1e-12)
    np.testing.assert_allclose(features("nn_top3", [[0.1, 0.9], [0.6, 0.4]]), [[0.9, 0.1], [0.6, 0.4]])
    want = np.hstack([F, [[0, 1, 0, 0], [1, 0, 0, 0]]])
    np.testing.assert_allclose(features("nn_cls", F), want, rtol=1e-12)


def test_views_are_averaged_as_probabilities() -> None:
    other = [[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25]]
    signals = Signals(logits=np.log([F, other])[None])
    want = np.sort((np.array(F) + other) / 2, axis=1)[:, ::-1]
    np.testing.assert_allclose(ATTACKS.make("nn").features(Target(signals, 0)), want, rtol=1e-12)


def test_features_of_samia_are_three_numbers_a_class() -> None:
    noisy = [
        [[0.1, 0.2, 0.3, 0.4], [0.71, 0.05, 0.15, 0.09]],
        [[0.12, 0.2, 0.28, 0.4], [0.69, 0.05, 0.15, 0.11]],
    ]
    want = [
        [[0.1, 10, 0], [0.2, 0, 1], [0.3, 10, 0], [0.4, 0, 0]],
        [[0.7, 10, 1], [0.05, 0, 0], [0.15, 0, 0], [0.1, 10, 0]],
    ]
    np.testing.assert_allclose(features("samia", F, noisy), np.reshape(want, (2, 12)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "inputs", "want"), [("samia", 30, 141_886), ("nn", 10, 170_114)])
def test_parameters_are_those_counted_manually(name: str, inputs: int, want: int) -> None:
    """For 10 classes: samia 60 + 256 + 3 (12,480 + 4,160 + 8,320 + 8,256 + 256) + 41,024 + 130;
    nn 5,632 + 131,328 + 32,896 + 258."""
    assert sum(p.numel() for p in built(name, inputs).parameters()) == want


def torchs_encoder_layer(own: EncoderLayer) -> nn.TransformerEncoderLayer:
    """torch's layer with the same weights."""
    theirs = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.2, activation="gelu", batch_first=True)
    names = {
        "self_attn.in_proj_": "queries_keys_values.",
        "self_attn.out_proj.": "mixed.",
        "linear1.": "widened.",
        "linear2.": "narrowed.",
        "norm1.": "after_attention.",
        "norm2.": "after_forward.",
    }
    state = own.state_dict()
    theirs.load_state_dict({a + p: state[b + p] for a, b in names.items() for p in ("weight", "bias")})
    return theirs.eval()


@pytest.fixture
def untouched():
    """Fails if the test draws from torch's shared generator; a reference that must, may fork it."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(torch.random.get_rng_state(), before)


def test_samia_computes_what_its_formula_says() -> None:
    """Batch norm and head in numpy, the encoder by torch's own layers."""
    classes, rng = 5, np.random.default_rng(0)
    network = built("samia", 3 * classes)
    for value in network.state_dict().values():  # biases, scales and running means too
        if value.dtype == torch.float32:
            value.copy_(
                torch.from_numpy(rng.uniform(0.1, 0.4, value.shape) * rng.choice([1, -1], value.shape))
            )
    network[0].running_var.fill_(0.7)
    network.eval()
    own = [layer for layer in network if isinstance(layer, EncoderLayer)]
    assert len(own) == 3
    weights = {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}
    h = rng.normal(size=(7, 3 * classes))
    norm = (h - weights["0.running_mean"]) / np.sqrt(0.7 + 1e-5) * weights["0.weight"] + weights["0.bias"]
    t = norm.reshape(7, classes, 3) @ weights["2.weight"].T + weights["2.bias"]
    e = torch.nn.functional.gelu(torch.from_numpy(t)).float()
    with torch.no_grad():
        with torch.random.fork_rng(devices=[]):
            for layer in own:
                e = torchs_encoder_layer(layer)(e)
        got = network(torch.from_numpy(h).float()).numpy()
    hidden = np.maximum(e.numpy().reshape(7, -1) @ weights["8.weight"].T + weights["8.bias"], 0)
    np.testing.assert_allclose(
        got, hidden @ weights["10.weight"].T + weights["10.bias"], rtol=1e-4, atol=1e-4
    )
    assert np.ptp(got, axis=0).min() > 1e-2


def test_nn_computes_what_its_formula_says() -> None:
    network = built("nn", 4).eval()
    h = np.random.default_rng(0).random((6, 4))
    want = h
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [512, 256, 128, 2]
    for layer in linear:
        want = np.maximum(want, 0) @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    got = network(torch.from_numpy(h).float()).detach().numpy()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    order = [type(layer).__name__ for layer in network]
    assert order == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear", "ReLU", "Linear"]


def test_weights_start_from_xaviers_normal_law() -> None:
    for layer in built("samia", 30).modules():
        if isinstance(layer, nn.Linear):
            assert not layer.bias.any()
            sd = np.sqrt(2 / sum(layer.weight.shape))
            assert float(layer.weight.detach().std()) == pytest.approx(
                sd, rel=5 / np.sqrt(2 * layer.weight.numel())
            )


def test_dropout_keeps_the_mean_and_only_acts_in_training() -> None:
    x = torch.full((400, 500), 3.0)
    drop = Dropout(0.2, generator())
    once, again = drop(x), drop(x)
    assert set(once.unique().tolist()) == {0.0, 3.75}
    assert float((once == 0).float().mean()) == pytest.approx(0.2, abs=0.005)
    assert not torch.equal(once, again)
    assert torch.equal(Dropout(0.2, generator())(x), once)
    assert torch.equal(drop.eval()(x), x)


@dataclass(frozen=True)
class Logistic(NetworkAttack):
    """One linear layer, whose fit can be computed manually."""

    name: ClassVar[str] = "logistic"

    def network(self, inputs: int, generator: torch.Generator) -> nn.Module:
        return nn.Linear(inputs, 2)


def test_the_fit_is_sgd_with_momentum_decay_and_two_steps_down() -> None:
    rng = np.random.default_rng(0)
    h, y = rng.normal(size=(12, 3)), np.arange(12) % 3 == 0
    attack = Logistic(epochs=9, batch_size=12, lr=0.5, momentum=0.7, weight_decay=0.1)
    seed = int(np.random.default_rng(5).integers(2**63))
    layer = initialised(Logistic().network(3, generator()), generator(seed))
    w, b = layer.weight.detach().numpy().astype(float), np.zeros(2)
    velocity_w, velocity_b = np.zeros_like(w), np.zeros_like(b)
    for epoch in range(9):
        lr = 0.5 * 0.1 ** ((epoch >= 4) + (epoch >= 6))
        p = np.exp(h @ w.T + b)
        error = (p / p.sum(axis=1, keepdims=True) - np.eye(2)[y.astype(int)]) / 12
        velocity_w = 0.7 * velocity_w + error.T @ h + 0.1 * w
        velocity_b = 0.7 * velocity_b + error.sum(axis=0) + 0.1 * b
        w, b = w - lr * velocity_w, b - lr * velocity_b
    asked = rng.normal(size=(5, 3))
    want = (asked @ w.T + b) @ [-1, 1]
    got = attack.fit(h, y, np.random.default_rng(5))(asked)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_a_lone_record_at_the_end_is_left_out() -> None:
    assert [len(rows) for rows in _batches(9, 4, generator())] == [4, 4]
    assert [len(rows) for rows in _batches(10, 4, generator())] == [4, 4, 2]
    rows = torch.cat(list(_batches(10, 4, generator())))
    assert sorted(rows.tolist()) == list(range(10)) and rows.tolist() != list(range(10))


def obvious() -> Models:
    """Members are answered with certainty, others are not."""
    return world(n=100, m=8, leak=8.0)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_obvious_leak_is_learned(name: str) -> None:
    models = obvious()
    attack = ATTACKS.make({"name": name, "epochs": 9, "batch_size": 32, "lr": 0.03})
    got = score_targets(attack, models, range(8), seed=0)
    assert auc(got.scores, models.members) > 0.9
    balanced = (got.decided[models.members].mean() + (~got.decided[~models.members]).mean()) / 2
    assert balanced > 0.8


@pytest.mark.parametrize("name", NETWORKS)
def test_two_networks_serve_all_targets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fits, train = [], NetworkAttack._train

    def counted(self, network, x, y, generator):
        fits.append(len(y))
        train(self, network, x, y, generator)

    monkeypatch.setattr(NetworkAttack, "_train", counted)
    models = world(n=60)
    attack = ATTACKS.make({"name": name, "epochs": 2})
    assert score_targets(attack, models, range(8), seed=0).decided is not None
    assert fits == [4 * 60, 4 * 60]


@pytest.mark.parametrize("name", ["nn_cls", "samia"])
def test_a_fit_is_its_seeds_alone_in_threads_too(name: str, untouched: None) -> None:
    models, attack = world(n=30), quick(name)

    def scores(seed: int) -> Array:
        return score_targets(attack, models, range(8), seed).scores

    alone = [scores(seed) for seed in range(4)]
    assert not np.array_equal(alone[0], alone[1])
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(scores, range(4)), strict=True):
            assert np.array_equal(one, other)


def test_a_fit_that_diverges_says_so() -> None:
    attack = ATTACKS.make({"name": "nn", "lr": 1e6, "epochs": 4})
    with pytest.raises(InputError, match=r"the network of 'nn' diverged at lr = 1000000\.0; lower it"):
        score_targets(attack, world(n=80), range(8), seed=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_torch_it_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attack: Attack = quick(name)
    assert applicable(attack, world(), range(8)) is None
    monkeypatch.setitem(sys.modules, "torch", None)
    assert applicable(attack, world(), range(8)) == "it needs torch; install leakbench[train]"
    assert applicable(quick("mlp"), world(), range(8)) is None


def test_only_those_that_are_fed_labels_need_them() -> None:
    assert {name: ATTACKS.make(name).uses_labels for name in NETWORKS} == {
        "nn": False,
        "nn_top3": False,
        "nn_cls": True,
        "samia": True,
        "seqmia": True,
    }
    models = world()
    unlabelled = Models(Signals(logits=models.signals.logits), models.members, models.audited)
    assert applicable(quick("nn_top3"), unlabelled, range(8)) is None


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_are_the_same_to_the_last_bit_in_any_number_of_threads(name: str) -> None:
    rng = np.random.default_rng(0)
    members = rng.random(300) < 0.5
    x = rng.normal(size=(300, 30)) + 0.1 * members[:, None]
    attack, before, scores = ATTACKS.make({"name": name, "epochs": 2}), torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        scores.append(attack.fit(x, members, np.random.default_rng(1))(x))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert np.array_equal(*scores)
