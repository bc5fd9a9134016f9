"""Adversarial regularisation against the same computation written another way."""

import dataclasses

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cross_entropy

from leakbench.data.dataset import Dataset
from leakbench.train.adversary import MembershipDiscriminator, gain
from leakbench.train.job import Job
from leakbench.train.model import new_network
from leakbench.train.networks.build import initialised
from leakbench.train.random_streams import ModelStreams, generator
from leakbench.train.recipe import Architecture, Recipe, Train
from leakbench.train.recipe.settings import Adversary, Optimiser
from leakbench.train.run_stages import train_group

LINEAR = Architecture(hidden=())
STAGE = Train(
    epochs=1,
    batch_size=100,
    optimiser=Optimiser(lr=0.1, momentum=0.0),
    adversary=Adversary(5.0, steps=2, reference="dev"),
)


def make_job(stage=STAGE, members=40):
    return Job(Recipe(LINEAR, (stage,)), np.arange(members), np.arange(100, 130), seed=3)


def test_the_gain_is_a_cross_entropy():
    inside, outside = torch.tensor([0.3, -2.0]), torch.tensor([1.5, 0.0, -40.0])
    reference = -0.5 * (bce(inside, torch.ones(2)) + bce(outside, torch.zeros(3)))
    torch.testing.assert_close(gain(inside, outside), reference)


def test_a_step_is_the_papers(digits):
    """Two steps of the adversary up its gain, then one of the model down CE + weight (mean log h) / 2."""
    job = make_job()
    found = train_group(digits, [job])[0].weights
    network, draws = new_network(digits, job), ModelStreams(job.seed, 0)
    h = initialised(MembershipDiscriminator(10), generator(job.seed, 0, "adversary"))
    adam = torch.optim.Adam(h.parameters(), lr=1e-3)
    order = draws.order(40)
    x, y = torch.from_numpy(digits.x), torch.from_numpy(digits.y)
    for _ in range(2):
        other = 100 + draws.reference(30, 40)
        loss = bce(h(network(x[order]).softmax(1), y[order]), torch.ones(40))
        loss = loss + bce(h(network(x[other]).softmax(1), y[other]), torch.zeros(40))
        adam.zero_grad()
        (loss / 2).backward()
        adam.step()
    network.zero_grad()
    z = network(x[order])
    fooled = -bce(h(z.softmax(1), y[order]), torch.ones(40))
    (cross_entropy(z, y[order]) + 5.0 * fooled / 2).backward()
    for name, parameter in network.named_parameters():
        expected = (parameter - 0.1 * parameter.grad).detach().numpy()
        np.testing.assert_allclose(found[name], expected, atol=1e-6)


def test_weight_zero_is_no_adversary(digits):
    without = dataclasses.replace(STAGE, adversary=None)
    off = dataclasses.replace(STAGE, adversary=Adversary(0.0, reference="dev"))
    a, b = (train_group(digits, [make_job(stage)])[0].weights for stage in (without, off))
    for name in a:
        np.testing.assert_allclose(a[name], b[name], atol=1e-6)


def test_it_draws_the_gap_between_members_and_others_together(digits):
    """On a network that would learn its few members by heart."""
    stage = Train(epochs=40, batch_size=20, optimiser=Optimiser(lr=0.05))
    against = dataclasses.replace(stage, adversary=Adversary(20.0, steps=3, reference="public"))
    parts = {"public": np.arange(600, 1000)}
    data = Dataset("digits", digits.x, digits.y, digits.classes, parts)
    gaps = []
    for each in (stage, against):
        job = dataclasses.replace(
            make_job(each, members=60), recipe=Recipe(Architecture(hidden=(64,)), (each,))
        )
        network = new_network(data, job)
        network.load_state_dict({n: torch.tensor(w) for n, w in train_group(data, [job])[0].weights.items()})
        with torch.no_grad():
            p = network(torch.from_numpy(data.x)).softmax(1).max(1).values
        gaps.append(float(p[:60].mean() - p[1000:].mean()))
    assert gaps[0] > 0.05 and gaps[1] < 0.6 * gaps[0]


def test_the_global_stream_is_left_alone(digits):
    before = torch.random.get_rng_state()
    train_group(digits, [make_job()])
    assert torch.equal(before, torch.random.get_rng_state())
