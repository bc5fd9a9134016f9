"""The measures of a generator's own leakage, on copies, on strangers and against slow references."""

import os

import numpy as np
import pytest

from leakbench.core.errors import InputError
from leakbench.data import load
from leakbench.evaluation.generator_attacks import collapsed, copied, domias, nearest, nearest_neighbour
from leakbench.generators import GENERATORS, synthesise
from leakbench.metrics.statistics.roc import Roc

CLASSES = tuple(map(str, range(40)))  # their names


@pytest.fixture(scope="module", params=["digits", "location30"])
def halves(request):
    """Members, their labels, non-members, and the reference: all different records of one data set."""
    if request.param != "digits" and not os.environ.get("LEAKBENCH_DATA"):
        pytest.skip("LEAKBENCH_DATA is not set: no real data to read")
    dataset = load(request.param)
    rows = np.random.default_rng(0).permutation(dataset.parts["pool"])[:1200]
    members, others = np.split(rows, 2)
    return dataset.x[members], dataset.y[members], dataset.x[others], dataset.x[dataset.parts["test"]]


def auc(score, halves, synthetic):
    members, _, others, reference = halves
    x = np.concatenate([members, others])
    scores = domias(x, synthetic, reference) if score == "domias" else nearest_neighbour(x, synthetic)
    assert scores.shape == (len(x),) and np.isfinite(scores).all()
    return Roc.of(scores, np.arange(len(x)) < len(members)).auc


@pytest.mark.parametrize("score", ["domias", "nearest_neighbour"])
def test_copies_are_found_and_strangers_are_not(halves, score):
    members, y, _, reference = halves
    copies = synthesise(GENERATORS.make("bootstrap"), members, y, CLASSES[: y.max() + 1], 5 * len(y), seed=0)
    assert auc(score, halves, copies.x) > 0.95
    chance = 4 * np.sqrt((1 / 600 + 1 / 600) / 12)  # four standard deviations of an AUC without signal
    part = len(reference) // 2
    strangers, reference = reference[:part], reference[part:]
    assert abs(auc(score, (*halves[:3], reference), strangers) - 0.5) < chance


def test_nearest_neighbour_is_the_obvious_loop():
    rng = np.random.default_rng(0)
    x, synthetic = rng.normal(size=(7, 2, 3)), rng.normal(size=(5, 2, 3))
    slow = [-min(np.sqrt(((a - b) ** 2).sum()) for b in synthetic) for a in x]
    np.testing.assert_allclose(nearest_neighbour(x, synthetic), slow)
    assert nearest_neighbour(synthetic, synthetic).tolist() == [0.0] * 5
    which, distances = nearest(x, synthetic)
    np.testing.assert_allclose(np.linalg.norm((x - synthetic[which]).reshape(7, -1), axis=1), distances)


def test_domias_is_the_obvious_loop():
    rng = np.random.default_rng(1)
    x, synthetic, reference = (rng.normal(size=(n, 2)) * [1, 1000] for n in (6, 9, 8))
    sd = reference.std(axis=0)
    for k in (1, 3):
        d = [
            [np.sort([np.sqrt((((a - b) / sd) ** 2).sum()) for b in part])[:k] for a in x]
            for part in (reference, synthetic)
        ]
        slow = np.log(d[0]).mean(axis=1) - np.log(d[1]).mean(axis=1)
        np.testing.assert_allclose(domias(x, synthetic, reference, neighbours=k), slow)


def test_domias_takes_bits_and_constant_columns_as_they_are():
    rng = np.random.default_rng(1)
    x, synthetic, reference = ((rng.random((n, 12)) < 0.2).astype(np.float32) for n in (6, 9, 8))
    images = [part.reshape(-1, 1, 3, 4) for part in (x, synthetic, reference)]
    np.testing.assert_allclose(domias(x, synthetic, reference), domias(*images))
    sevens = [np.hstack([part, np.full((len(part), 1), 7.0)]) for part in (x, synthetic, reference)]
    np.testing.assert_allclose(domias(*sevens), domias(x, synthetic, reference))


def test_domias_is_finite_where_all_records_are_alike():
    alike = np.zeros((4, 3))
    assert domias(alike, alike, alike).tolist() == [0.0] * 4


def test_copied_counts_equal_records_beside_the_data_s_own_duplicates():
    fitted_on = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    synthetic = np.array([[0.3, 0.4], [0.3, 0.4001], [0.1, 0.2 + 3e-8], [9, 9]], np.float64)
    held_out = np.array([[0.1, 0.2], [0.5, 0.5]], np.float32)
    assert copied(synthetic, fitted_on, held_out) == (0.5, 0.5)


def test_collapsed_names_the_classes_of_one_record():
    rng = np.random.default_rng(0)
    real, y = rng.normal(size=(40, 1, 2, 2)), np.repeat([0, 1, 2, 3], 10)
    real[y == 2] = 1.0  # alike in truth
    made = rng.normal(size=(40, 1, 2, 2))
    made[y == 1] = 0.3 + 1e-3 * made[y == 1]
    made[y == 2] = 1.0
    assert collapsed(made, y, real, y) == [1]
    lone = y != 3
    lone[-1] = True  # one record of class 3 says nothing
    assert collapsed(made[lone], y[lone], real, y) == [1]


@pytest.mark.parametrize(
    ("shapes", "says"),
    [(((3, 2), (3, 4)), r"one shape, got \(2,\), \(4,\)"), (((3, 2), (0, 2)), r"got \[3, 0\]")],
)
def test_what_cannot_be_compared_is_refused(shapes, says):
    with pytest.raises(InputError, match=says):
        nearest_neighbour(*(np.zeros(shape) for shape in shapes))
