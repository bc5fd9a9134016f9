"""Attacks on students' trajectories, against plain loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from leakbench.attacks import ATTACKS
from leakbench.attacks._layers import Recurrent, initialised
from leakbench.attacks._trajectory import standardised, trajectory
from leakbench.core.errors import InputError
from leakbench.evaluation.scoring import applicable, score_targets
from leakbench.signals.models import Models
from leakbench.signals.trajectories import metrics

from .worlds import auc, frozen, noise_sd, quick, students, with_members, world

NAMES = ("loss_trajectory", "seqmia")


def test_metrics_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(20, 4)) * 3, rng.integers(0, 4, 20)
    found = metrics(z, y)
    for n in range(20):
        f = [math.exp(v) / sum(math.exp(u) for u in z[n]) for v in z[n]]
        mean, p = sum(f) / 4, f[y[n]]
        sd = math.sqrt(sum((v - mean) ** 2 for v in f) / 4)
        entropy = -sum(v * math.log(v) for v in f)
        others = -sum(v * math.log(1 - v) for c, v in enumerate(f) if c != y[n])
        wanted = [-math.log(p), max(f), sd, entropy, -(1 - p) * math.log(p) + others]
        np.testing.assert_allclose(found[:, n], wanted, rtol=1e-9)
    zero = metrics(np.array([[0.0, -np.inf]]), np.array([1]))
    assert np.isfinite(zero).all() and zero[0, 0] == pytest.approx(69.08, abs=0.01)


def test_features_are_the_logarithms_of_every_epoch_and_of_the_model() -> None:
    models = world(n=40, v=2)
    target, s = models.target(3), models.signals
    own = np.mean([metrics(z, s.labels) for z in s.logits[3]], axis=0)
    values = [s.trajectories[3][:5], s.trajectories[3][5:], own]
    np.testing.assert_allclose(trajectory(target), np.log(np.maximum(values, 1e-8)))
    loss, every = (ATTACKS.make(name).features(target) for name in NAMES)
    assert loss.shape == (40, 3) and every.shape == (40, 15)
    np.testing.assert_array_equal(loss, every[:, ::5])
    some = np.array([5, 2, 30])
    np.testing.assert_array_equal(ATTACKS.make("seqmia").features(target.at(some)), every[some])


def test_features_are_on_the_scale_of_the_examples() -> None:
    examples = np.random.default_rng(0).normal(5.0, 2.0, size=(100, 2)) * [1.0, 0.0]
    t = (examples[:, 0] - examples[:, 0].mean()) / examples[:, 0].std()
    found = standardised(examples)(examples)
    np.testing.assert_allclose(found[:, 0], [3 * math.asinh(v / 3) for v in t])
    assert not found[:, 1].any()


def test_the_recurrent_network_is_an_lstm_with_attention() -> None:
    """By the equations, a record, a step and a gate at a time, in the order input, forget, cell, output."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        network = Recurrent(5, 3)
    network = initialised(network, generator)
    x = torch.randn(4, 20, generator=generator)
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}

    def sigmoid(v: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-v))

    for record, found in zip(x.double().numpy(), network(x).detach().numpy(), strict=True):
        h, c, outputs = np.zeros(3), np.zeros(3), []
        for step in record.reshape(4, 5):
            a = p["lstm.weight_ih_l0"] @ step + p["lstm.weight_hh_l0"] @ h
            a = a + p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"]
            c = sigmoid(a[3:6]) * c + sigmoid(a[:3]) * np.tanh(a[6:9])
            h = sigmoid(a[9:]) * np.tanh(c)
            outputs.append(h)
        weights = np.exp([float(p["weights.weight"][0] @ o + p["weights.bias"][0]) for o in outputs])
        seen = sum(w * o for w, o in zip(weights / weights.sum(), outputs, strict=True))
        np.testing.assert_allclose(found, p["last.weight"] @ seen + p["last.bias"], atol=1e-5)


def leaking_through_students(leak: float) -> Models:
    """Predictions of the models that tell nothing, and students that are surer of members' labels."""
    models, z = world(n=600, leak=0.0, population=0), world(seed=1, n=600, leak=0.0).signals.logits.copy()
    z[:, 0, np.arange(600), models.signals.labels] += leak * models.members
    signals = replace(models.signals, trajectories=students(z, models.signals.labels))
    return Models(frozen(signals), models.members, models.audited)


@pytest.mark.parametrize("name", NAMES)
def test_what_students_learned_of_members_is_found(name: str) -> None:
    attack, found = quick(name), []
    for leak in (0.0, 1.5, 4.0):
        models = leaking_through_students(leak)
        found.append(auc(score_targets(attack, models, range(2), seed=0).scores, models.members[:2]))
    assert abs(found[0] - 0.5) < 4 * noise_sd(600, 600)
    assert found[0] + 0.05 < found[1] < found[2] - 0.05


@pytest.mark.parametrize("name", NAMES)
def test_memberships_drawn_anew_are_at_chance(name: str) -> None:
    models = leaking_through_students(4.0)
    drawn = np.random.default_rng(1).random(models.members.shape) < 0.5
    found = score_targets(quick(name), with_members(models, drawn), range(2), seed=0).scores
    assert abs(auc(found, drawn[:2]) - 0.5) < 4 * noise_sd(600, 600)


@pytest.mark.parametrize("name", NAMES)
def test_without_students_or_with_one_that_diverged_the_attack_says_so(name: str) -> None:
    models, attack = world(n=60), ATTACKS.make(name)
    without = Models(replace(models.signals, trajectories=None), models.members, models.audited)
    assert "distils on public records" in str(applicable(attack, without, [0]))
    lost = np.array(models.signals.trajectories)
    lost[0, 3] = np.nan
    signals = replace(models.signals, trajectories=lost)
    with pytest.raises(InputError, match="one diverged; lower"):
        attack.features(Models(signals, models.members, models.audited).target(0))
