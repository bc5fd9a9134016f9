"""Answers to noisy copies of records: the network's own, on noise of the right law, the same for every model."""

import numpy as np
import pytest
import torch

from leakbench.core.errors import InputError
from leakbench.signals.sensitivity import sensitivity
from leakbench.train.networks.build import initialised, loaded, unset
from leakbench.train.query import predict_logits, predict_noisy_logits
from leakbench.train.random_streams import generator
from leakbench.train.recipe import Architecture

LINEAR = Architecture(hidden=())
X = np.random.default_rng(0).random((300, 6), np.float32)
IDENTITY = {"layers.0.weight": np.eye(6, dtype=np.float32), "layers.0.bias": np.zeros(6, np.float32)}


def copies(rows=None, k: int = 40, scale: float = 0.5, seed: int = 3, **more) -> np.ndarray:
    """What a network that answers with its input says [K, N, 6]."""
    rows = np.arange(300) if rows is None else rows
    return predict_noisy_logits(X, 6, LINEAR, IDENTITY, rows, k, scale, seed, **more)


def test_the_noise_is_normal_and_of_the_scale() -> None:
    rows = np.array([4, 299, 0, 17])
    u = (copies(rows, k=4000, batch=16_000) - X[rows]) / 0.5
    assert u.shape == (4000, 4, 6) and u.dtype == np.float32
    assert abs(u.mean()) < 4 / np.sqrt(u.size)
    assert u.std() == pytest.approx(1, abs=4 / np.sqrt(2 * u.size))
    assert (np.abs(u) > 1.96).mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / u.size))
    flat = u.transpose(1, 2, 0).reshape(24, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(24)).max() < 5 / np.sqrt(4000)  # of records and of features


def test_every_model_sees_the_same_copies_and_every_seed_others() -> None:
    assert np.array_equal(copies(), copies())
    assert not np.isclose(copies(seed=4), copies()).any()
    double = {"layers.0.weight": 2 * IDENTITY["layers.0.weight"], "layers.0.bias": IDENTITY["layers.0.bias"]}
    other = predict_noisy_logits(X, 6, LINEAR, double, np.arange(300), 40, 0.5, 3)
    assert np.array_equal(other, 2 * copies())


def test_records_a_batch_apart_share_their_noise() -> None:
    noise = copies(batch=400) - X  # 10 records a batch
    np.testing.assert_allclose(noise[:, 10:20], noise[:, :10], atol=1e-6)
    assert not np.isclose(noise[:, 1:10], noise[:, :9], atol=1e-3).all(axis=(0, 2)).any()


def test_the_noise_is_added_to_what_the_network_sees() -> None:
    x = np.random.default_rng(1).random((5, 2, 8, 8), np.float32)
    architecture, rows = Architecture("cnn", channels=(3, 4)), np.array([3, 0, 4])
    net = initialised(unset(architecture, (2, 8, 8), 3), generator(0, "init"))
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    normal = {"mean": (0.5, 0.4), "std": (0.1, 0.2)}
    got = predict_noisy_logits(x, 3, architecture, weights, rows, 2, 0.3, 7, **normal)
    u = torch.randn((2, 512, 2, 8, 8), generator=generator(7, "query noise"))[:, :3].numpy()
    seen = (x[rows] - np.reshape((0.5, 0.4), (2, 1, 1))) / np.reshape((0.1, 0.2), (2, 1, 1)) + 0.3 * u
    network = loaded(architecture, (2, 8, 8), 3, weights)
    for k in range(2):
        np.testing.assert_allclose(got[k], network(torch.tensor(seen[k]).float()).numpy(), atol=1e-5)
    plain = predict_logits(x, 3, architecture, weights, rows, **normal)[0]
    tiny = predict_noisy_logits(x, 3, architecture, weights, rows, 2, 1e-9, 7, **normal)
    np.testing.assert_allclose(tiny, np.stack([plain, plain]), atol=1e-5)


def test_the_sensitivity_goes_with_the_gradient() -> None:
    """For small noise E |grad f . u| = sqrt(2 / pi) |grad f|."""
    x = np.random.default_rng(2).normal(size=(20, 30)).astype(np.float32)
    architecture = Architecture(hidden=(16,))
    net = initialised(unset(architecture, (30,), 4), generator(1, "init"))
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    rows = np.arange(20)
    noisy = predict_noisy_logits(x, 4, architecture, weights, rows, 2000, 1e-3, 0, batch=40_000)
    got = sensitivity(predict_logits(x, 4, architecture, weights, rows)[0], noisy, 1e-3)
    network = loaded(architecture, (30,), 4, weights).double()
    slopes = [
        torch.autograd.functional.jacobian(lambda r: network(r[None])[0].softmax(-1), row)  # [C, D]
        for row in torch.from_numpy(x).double()
    ]
    want = np.sqrt(2 / np.pi) * np.stack([s.norm(dim=1).numpy() for s in slopes])
    np.testing.assert_allclose(got, want, rtol=5 * np.sqrt((np.pi / 2 - 1) / 2000))


@pytest.mark.parametrize("about", [{"k": 0}, {"scale": 0.0}, {"scale": float("nan")}])
def test_no_copies_and_no_noise_are_refused(about: dict) -> None:
    with pytest.raises(InputError, match="noise must be at least 1 copy of a scale above 0"):
        copies(**about)
