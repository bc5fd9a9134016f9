"""The calibration error and clustered means, on constructed answers and on worlds whose truth is known."""

import numpy as np
import pytest

from leakbench.metrics.statistics.calibration import calibration, clustered_mean


def reference(confidence, right):
    """Guo et al.'s sum, bin by bin, of one model."""
    total = 0.0
    for b in range(15):
        inside = [i for i, c in enumerate(confidence) if b / 15 < c <= (b + 1) / 15]
        if inside:
            accuracy = sum(right[i] for i in inside) / len(inside)
            total += len(inside) * abs(accuracy - sum(confidence[i] for i in inside) / len(inside))
    return total / len(confidence)


def test_the_error_is_the_mean_over_models_of_guos():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, (4, 200))
    right = rng.random((4, 200)) < confidence**2
    expected = np.mean([reference(c, r) for c, r in zip(confidence, right, strict=True)])
    assert calibration(confidence, right).error == pytest.approx(expected, abs=1e-12)


def test_constructed_answers():
    sure = np.ones((2, 40))
    assert calibration(sure, np.ones((2, 40), bool))[:] == (0.0, 0.0, 0.0, 0.0)
    found = calibration(sure, np.arange(80).reshape(2, 40) % 4 > 0)
    assert found.error == pytest.approx(0.25) and found.floor == 0.0
    half = calibration(np.full((1, 100), 0.5), np.arange(100)[None] % 2 == 0)
    assert half.error == 0.0 and half.floor == pytest.approx(np.sqrt(2 * 25 / np.pi) / 100)


def test_errors_of_models_do_not_cancel():
    """One model is too sure by as much as the other is too modest."""
    right = np.tile(np.arange(100) % 4 > 0, (2, 1))
    found = calibration(np.array([[0.7], [0.74]]) + np.zeros((2, 100)), right)
    assert found.error == pytest.approx((0.05 + 0.01) / 2)


@pytest.mark.parametrize(("models", "records"), [(1, 300), (8, 1000)])
def test_the_floor_is_what_calibrated_models_have(models, records):
    rng, found = np.random.default_rng(1), []
    for _ in range(200):
        confidence = rng.beta(5, 1, (models, records))
        found.append(calibration(confidence, rng.random(confidence.shape) < confidence))
    assert np.mean([c.error for c in found]) == pytest.approx(np.mean([c.floor for c in found]), rel=0.05)
    assert np.mean([c.lo <= 0 for c in found]) > 0.95  # the truth is 0


@pytest.mark.parametrize("shift", [0.04, 0.12])
def test_the_interval_covers_the_error_of_models_that_are_too_sure(shift):
    rng, covered = np.random.default_rng(2), []
    for _ in range(200):
        confidence = np.broadcast_to(rng.uniform(0.3, 1, 800), (6, 800))  # the same records
        u = np.clip(0.7 * rng.random(800) + 0.3 * rng.random((6, 800)), 0, 1)
        u = np.where(u < 0.3, u**2 / 0.42, np.where(u < 0.7, (u - 0.15) / 0.7, 1 - (1 - u) ** 2 / 0.42))
        found = calibration(confidence, u < confidence - shift)
        covered.append(found.lo <= shift <= found.hi)
    assert np.mean(covered) >= 0.93


def test_a_mean_of_one_model_is_students():
    values = np.random.default_rng(0).normal(size=(1, 50))
    found = clustered_mean(values)
    half = 2.0095752 * values.std(ddof=1) / np.sqrt(50)
    np.testing.assert_allclose(found, (values.mean(), values.mean() - half, values.mean() + half), rtol=1e-6)


def test_models_that_answer_alike_are_one():
    values = np.random.default_rng(0).normal(size=(1, 200))
    one, eight = clustered_mean(values), clustered_mean(np.tile(values, (8, 1)))
    assert eight.hi - eight.lo == pytest.approx(one.hi - one.lo, rel=0.02)
