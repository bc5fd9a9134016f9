"""Labels and images for tiny files, and the folder of real ones."""

import os
from pathlib import Path

import numpy as np
import pytest
from layouts import N_CLASSES, N_TEST, N_TRAIN


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def labels(rng):
    """Labels of N_TRAIN + N_TEST records with every class in both parts."""
    train, test = np.arange(N_TRAIN) % N_CLASSES, np.arange(N_TEST) % N_CLASSES
    return np.concatenate([rng.permutation(train), rng.permutation(test)])


@pytest.fixture
def grey(rng):
    return rng.integers(0, 256, (N_TRAIN + N_TEST, 5, 7), dtype=np.uint8)


@pytest.fixture
def colour(rng):
    return rng.integers(0, 256, (N_TRAIN + N_TEST, 3, 32, 32), dtype=np.uint8)


@pytest.fixture
def real_data():
    """The folder of real data sets; without it the test is skipped."""
    folder = os.environ.get("LEAKBENCH_DATA")
    if not folder:
        pytest.skip("LEAKBENCH_DATA is not set: no real data to read")
    return Path(folder)
