"""Small real images and a small table of bits."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

torch.set_num_threads(1)  # test workers share the cores


def frozen(x, y):
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


@pytest.fixture(scope="session")
def digits():
    """The first 500 digits [500, 1, 8, 8] and their labels."""
    data = load_digits()
    return frozen((data.images[:500, None] / 16).astype(np.float32), data.target[:500].astype(np.int64))


@pytest.fixture(scope="session")
def more_digits():
    """The other digits."""
    data = load_digits()
    return frozen((data.images[500:, None] / 16).astype(np.float32), data.target[500:].astype(np.int64))


@pytest.fixture(scope="session")
def bits():
    """A table of bits [150, 12] in three classes of different size, each with columns that are mostly 1."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), [80, 50, 20])
    likely = np.arange(12) % 3 == y[:, None]  # [150, 12]
    x = rng.random(likely.shape) < np.where(likely, 0.9, 0.1)
    order = rng.permutation(len(y))
    return frozen(x[order].astype(np.float32), y[order].astype(np.int64))
