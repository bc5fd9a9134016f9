"""Small audit files with every kind of array."""

import numpy as np
import pytest

N, C, S, Z = 12, 3, 4, 7


@pytest.fixture
def arrays():
    """A target with shadow models and a population; fresh for every test."""
    rng = np.random.default_rng(0)
    members = rng.permutation(N) < N // 2
    return {
        "logits": rng.normal(size=(N, C)),
        "labels": rng.integers(0, C, N),
        "members": members,
        "shadow_logits": rng.normal(size=(S, N, C)),
        "shadow_members": rng.random((S, N)) < 0.5,
    }


@pytest.fixture
def alone(arrays):
    """The target without shadow models."""
    return {name: arrays[name] for name in ("logits", "labels", "members")}
