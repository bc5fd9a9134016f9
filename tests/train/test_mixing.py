"""Mixup, written out record by record."""

import numpy as np
import pytest
import torch

from leakbench.core.errors import InputError
from leakbench.data.dataset import Dataset
from leakbench.train.job import Job
from leakbench.train.mixup import mixed, mixed_targets, mixup
from leakbench.train.random_streams import ModelStreams
from leakbench.train.recipe import Architecture, Recipe, Train
from leakbench.train.recipe.settings import Augment
from leakbench.train.run_stages import train_group

K, B, C = 3, 6, 4


@pytest.fixture
def mixing():
    return mixup([ModelStreams(seed, 0) for seed in range(K)], B, Train(augment=Augment(mixup=0.7)))


def test_records_and_targets_are_mixed_alike(mixing):
    shares, partners = mixing
    rng = torch.Generator().manual_seed(0)
    records, labels = torch.rand(K, B, 1, 2, 3, generator=rng), torch.randint(C, (K, B), generator=rng)
    found, targets = mixed(records, *mixing), mixed_targets(labels, torch.empty(K, B, C), mixing)
    for k in range(K):
        for i in range(B):
            share, j = shares[k].item(), partners[k, i].item()
            expected = share * records[k, i] + (1 - share) * records[k, j]
            np.testing.assert_allclose(found[k, i], expected, rtol=1e-6)
            target = np.zeros(C)
            target[labels[k, i]] += share
            target[labels[k, j]] += 1 - share
            np.testing.assert_allclose(targets[k, i], target, rtol=1e-6, atol=1e-7)


def test_a_teachers_distributions_are_mixed_too(mixing):
    taught = torch.rand(K, B, C).softmax(-1)
    found = mixed_targets(taught, torch.empty(K, B, C), mixing)
    assert torch.equal(found, mixed(taught, *mixing))
    np.testing.assert_allclose(found.sum(-1), np.ones((K, B)), rtol=1e-6)


def test_each_model_draws_from_its_own_stream(mixing):
    shares, partners = mixing
    assert len(set(shares.tolist())) == K
    alone = mixup([ModelStreams(1, 0)], B, Train(augment=Augment(mixup=0.7)))
    assert torch.equal(alone[0], shares[1:2]) and torch.equal(alone[1], partners[1:2])
    assert sorted(partners[0].tolist()) == list(range(B))
    assert mixup([ModelStreams(0, 0)], B, Train()) is None


def test_shares_are_beta_distributed():
    draws = ModelStreams(0, 0)
    shares = np.array([draws.mixup(2, 0.5)[0] for _ in range(4000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.5 + 1)), abs=0.01)  # of Beta(a, a)


def test_tables_are_mixed_and_not_shifted():
    rng = np.random.default_rng(0)
    table = Dataset("table", rng.random((60, 5), np.float32), rng.integers(0, 3, 60), tuple("abc"), {})

    def job(augment):
        recipe = Recipe(Architecture(hidden=(8,)), (Train(epochs=3, batch_size=16, augment=augment),))
        return Job(recipe, np.arange(40), np.empty(0, np.int64), 0)

    (mixes,), (plain,) = (train_group(table, [job(a)]) for a in (Augment(mixup=1.0), Augment()))
    assert np.abs(mixes.weights["layers.0.weight"] - plain.weights["layers.0.weight"]).max() > 1e-3
    with pytest.raises(InputError, match="shift and flip need images"):
        train_group(table, [job(Augment(shift=1, mixup=1.0))])
