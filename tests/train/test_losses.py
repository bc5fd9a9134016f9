"""The losses against computations written out record by record."""

import math

import numpy as np
import pytest
import torch

from leakbench.errors import InputError
from leakbench.train.loop import objective
from leakbench.train.losses import LOSSES
from leakbench.train.recipe import Distill, Train
from leakbench.train.settings import Privacy

K, B, C = 3, 7, 5
names = pytest.mark.parametrize("name", LOSSES.names())


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(K, B, C, generator=generator, dtype=torch.float64)
    return logits, torch.randint(C, (K, B), generator=generator)


def log_softmax(z):
    return [v - max(z) - math.log(sum(math.exp(w - max(z)) for w in z)) for v in z]


def ppb_by_hand(logits, labels, weight):
    """CE of all, and the KL between the sorted answers of record i of one half and of the other."""
    ce = -sum(log_softmax(z)[y] for z, y in zip(logits, labels, strict=True)) / len(labels)
    half, pairs = len(labels) // 2, 0.0
    for i in range(half):
        first, second = log_softmax(sorted(logits[i])), log_softmax(sorted(logits[half + i]))
        pairs += sum(math.exp(q) * (q - p) for p, q in zip(first, second, strict=True))
    return ce + weight * pairs / half


def test_ppb_is_the_papers(batch):
    logits, labels = batch
    found = LOSSES.make({"name": "ppb", "weight": 2.5})(logits, labels)
    by_hand = [ppb_by_hand(z, y, 2.5) for z, y in zip(logits.tolist(), labels.tolist(), strict=True)]
    np.testing.assert_allclose(found.numpy(), by_hand, rtol=1e-12)


def test_ppb_of_answers_of_one_shape_is_cross_entropy(batch):
    _, labels = batch
    alike = torch.arange(C, dtype=torch.float64)[torch.stack([torch.randperm(C) for _ in range(B)])].expand(
        K, B, C
    )
    plain, ppb = LOSSES.make("cross_entropy"), LOSSES.make("ppb")
    np.testing.assert_allclose(ppb(alike, labels), plain(alike, labels), rtol=1e-12)


def test_smoothed_cross_entropy_is_torchs(batch):
    logits, labels = batch
    own = LOSSES.make({"name": "cross_entropy", "smoothing": 0.2})(logits, labels)
    theirs = [
        torch.nn.functional.cross_entropy(z, y, label_smoothing=0.2)
        for z, y in zip(logits, labels, strict=True)
    ]
    np.testing.assert_allclose(own, theirs, rtol=1e-12)


def test_a_student_learns_the_teachers_distribution(batch):
    """T^2 times the cross-entropy of softmax(z / T) to the teacher's distribution (Hinton et al. 2015)."""
    logits, _ = batch
    taught = torch.softmax(
        torch.randn(K, B, C, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), -1
    )
    found = objective(Distill(temperature=3.0), logits, taught)
    by_hand = -9 * (taught * torch.log_softmax(logits / 3, -1)).sum(-1).mean(-1)
    np.testing.assert_allclose(found, by_hand, rtol=1e-12)


@names
def test_each_model_has_its_own_loss(name, batch):
    logits, labels = batch
    loss = LOSSES.make(name)
    together = loss(logits, labels)
    assert together.shape == (K,)
    for k in range(K):
        np.testing.assert_allclose(loss(logits[k : k + 1], labels[k : k + 1])[0], together[k], rtol=1e-12)


@names
@pytest.mark.parametrize("z", [0.0, 1e4])
def test_extreme_answers_have_finite_gradients(name, z):
    logits = torch.full((1, 2, C), 0.0)
    logits[0, :, 0] = z
    logits.requires_grad_()
    LOSSES.make(name)(logits, torch.tensor([[0, 1]])).sum().backward()
    assert logits.grad.isfinite().all()


@names
def test_one_record_makes_a_batch(name):
    assert LOSSES.make(name)(torch.zeros(2, 1, C), torch.zeros(2, 1, dtype=torch.int64)).isfinite().all()


def test_a_loss_that_compares_records_cannot_be_private():
    with pytest.raises(InputError, match="each record by itself, got 'ppb'"):
        Train(loss=LOSSES.make("ppb"), privacy=Privacy())
