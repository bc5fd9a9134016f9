"""How much an answer changes with the record, from answers in the precision that networks give."""

from decimal import Decimal, getcontext

import numpy as np
import pytest

from leakbench.core.errors import InputError
from leakbench.signals.models import Models
from leakbench.signals.sensitivity import sensitivity
from leakbench.signals.types import Signals

getcontext().prec = 60
SCALE = 1e-3


def softmax(z: list[float]) -> list[Decimal]:
    e = [Decimal(v).exp() for v in z]
    return [v / sum(e) for v in e]


def reference(z: np.ndarray, noisy: np.ndarray) -> list[float]:
    """One record [C], [K, C], from the definition with 60 digits."""
    f = softmax(z.tolist())
    changed = [softmax(copy.tolist()) for copy in noisy]
    return [
        float(sum(abs(g[c] - f[c]) for g in changed) / len(noisy) / Decimal(SCALE)) for c in range(len(f))
    ]


def network(sharpness: float, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, C] and [K, N, C] of a network with a hidden layer, computed in `dtype`."""
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(200, 50)), rng.normal(size=(10, 200, 50))
    first, second = rng.normal(size=(50, 64)) / 50**0.5, sharpness * rng.normal(size=(64, 6)) / 64**0.5

    def answer(records: np.ndarray) -> np.ndarray:
        hidden = np.maximum(records.astype(dtype) @ first.astype(dtype), 0)
        return hidden @ second.astype(dtype)

    return answer(x), answer(x + SCALE * u)


@pytest.mark.parametrize("sharpness", [1.0, 10.0, 100.0])
def test_it_is_the_definition_with_60_digits(sharpness: float) -> None:
    z, noisy = network(sharpness, np.float64)
    got = sensitivity(z, noisy, SCALE)
    assert got.shape == (200, 6) and got.dtype == np.float64
    for n in range(0, 200, 20):
        np.testing.assert_allclose(got[n], reference(z[n], noisy[:, n]), rtol=1e-8)


@pytest.mark.parametrize("sharpness", [1.0, 10.0, 100.0])
def test_float32_logits_suffice(sharpness: float) -> None:
    z, noisy = network(sharpness, np.float32)
    exact = sensitivity(*network(sharpness, np.float64), SCALE)
    error = np.abs(sensitivity(z, noisy, SCALE) / exact - 1)
    assert np.median(error) < 1e-3 and error.max() < 0.05


def test_float32_probabilities_would_not() -> None:
    """Of a class of which the network is certain they show no change at all."""
    z, noisy = network(100.0, np.float32)
    exact = sensitivity(*network(100.0, np.float64), SCALE)
    f, g = (
        e / e.sum(axis=-1, keepdims=True) for e in (np.exp(v - v.max(-1, keepdims=True)) for v in (z, noisy))
    )
    naive = np.abs(g - f).mean(axis=0) / SCALE
    certain = np.arange(len(z)), z.argmax(axis=-1)
    gone = (exact[certain] > 0) & (naive[certain] == 0)
    assert gone.sum() > 20
    np.testing.assert_allclose(sensitivity(z, noisy, SCALE)[certain][gone], exact[certain][gone], rtol=0.05)


def test_a_constant_answer_is_not_sensitive() -> None:
    z = np.float32([[3.0, 1.0], [-np.inf, 0.0]])
    assert not sensitivity(z, np.stack([z, z]), SCALE).any()


def test_a_model_offers_it_with_logits_on_noisy_copies_alone() -> None:
    z, noisy = network(1.0, np.float32)
    own, first = np.stack([z, z + 1]), noisy[:, :, ::-1]
    signals = Signals(logits=own[None], noisy=first[None], noise_scale=0.25)
    got = Models(signals, np.zeros((1, 200), bool), np.ones((1, 200), bool)).target(0)
    assert signals.offers("sensitivity")
    assert np.array_equal(got.sensitivity, sensitivity(z, first, 0.25))  # of the first view
    some = np.array([7, 3])
    assert np.array_equal(got.at(some).sensitivity, got.sensitivity[some])
    bare = Signals(logits=own[None])
    assert not bare.offers("sensitivity")
    with pytest.raises(InputError, match="noisy copies"):
        bare.sensitivity(0)
    with pytest.raises(InputError, match="'sensitivity' cannot be computed"):
        signals.statistics("sensitivity")
