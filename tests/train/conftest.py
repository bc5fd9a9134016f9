import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from leakbench.data.dataset import Dataset
from leakbench.train.job import Job

TRAINING_PART = 1200  # digits from here on are held out
torch.set_num_threads(1)  # test workers share the cores


@pytest.fixture(scope="session")
def digits():
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = (data.data / 16).astype(np.float32).reshape(-1, 1, 8, 8)[order]
    return Dataset("digits", x, data.target.astype(np.int64)[order], tuple("0123456789"), {})


@pytest.fixture(scope="session")
def make_jobs():
    """K jobs on random members (a number that the batch size does not divide), each with its own dev records."""

    def make(recipe, K, members=151, dev=60):
        jobs = []
        for k in range(K):
            rows = np.random.default_rng(k).permutation(TRAINING_PART)
            jobs.append(Job(recipe, rows[:members], rows[members : members + dev], seed=100 + k))
        return jobs

    return make
