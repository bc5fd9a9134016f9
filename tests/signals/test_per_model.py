"""Answers that are read a model at a time give what those in memory give."""

import numpy as np
import pytest

from leakbench.signals.models import Models
from leakbench.signals.statistics import STATISTICS
from leakbench.signals.types import PerModel, Signals

M, V, N, C, K = 4, 2, 30, 5, 3


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(M, V, N, C)).astype(np.float32)
    return (
        rng.integers(0, C, N),
        z,
        z[:, :1] + np.float32(1e-3) * rng.normal(size=(M, K, N, C)).astype(np.float32),
    )


def read(array, loads: list[int]) -> PerModel:
    def load(m: int):
        loads.append(m)
        return array[m]

    return PerModel(array.shape, load)


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_the_same_and_read_each_model_once(arrays, name: str) -> None:
    y, z, _ = arrays
    loads: list[int] = []
    signals = Signals(y, read(z, loads))
    assert signals.shape == (M, V, N) and signals.offers(name) and loads == []
    assert np.array_equal(signals.statistics(name), Signals(y, z).statistics(name))
    signals.statistics(name)
    assert loads == [0, 1, 2, 3]


def test_a_target_reads_only_itself(arrays) -> None:
    y, z, noisy = arrays
    loads: list[int] = []
    lazy, whole = (
        Models(signals, np.zeros((M, N), bool), np.ones((M, N), bool)).target(2)
        for signals in (Signals(y, read(z, loads), noisy=read(noisy, loads)), Signals(y, z, noisy=noisy))
    )
    assert np.array_equal(lazy.logits, whole.logits)
    assert np.array_equal(lazy.sensitivity, whole.sensitivity)
    cut = lazy.at(np.array([5, 0]))
    assert np.array_equal(cut.logits, whole.logits[:, [5, 0]])
    assert np.array_equal(cut.statistic("loss"), whole.statistic("loss")[:, [5, 0]])
    assert set(loads) == {2}


def test_it_is_indexed_as_an_array_of_models_is(arrays) -> None:
    z = arrays[1]
    answers = read(z, [])
    assert (len(answers), answers.shape, answers.dtype) == (M, z.shape, z.dtype)
    assert np.array_equal(answers[-1], z[-1])
    assert np.array_equal(np.stack(list(answers)), z)
    for m in (M, -M - 1):
        with pytest.raises(IndexError):
            answers[m]
