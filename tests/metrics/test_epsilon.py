"""Lower bounds on epsilon: published values, a slow reference, and silence on noise."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from leakbench.errors import InputError
from leakbench.metrics.epsilon import epsilon_lower_bound, one_run_epsilon, one_run_p_value

from .samples import make_sample


@pytest.mark.parametrize(
    ("m", "r", "v", "delta", "epsilon"),
    [
        (1000, 100, 75, 1e-4, 0.673),
        (100_000, 1510, 1439, 1e-5, 2.675),
        (100, 100, 100, 1e-5, 3.49),
        (500, 500, 500, 1e-5, 5.10),
        (1000, 1000, 1000, 1e-5, 5.78),
        (5000, 5000, 5000, 1e-5, 7.28),
    ],
)
def test_one_run_pins(m, r, v, delta, epsilon):
    assert one_run_epsilon(m, r, v, delta) == pytest.approx(epsilon, abs=0.006)


@pytest.mark.parametrize("epsilon", [0.0, 0.7, 3.0])
@pytest.mark.parametrize(("m", "r", "v"), [(50, 20, 15), (30, 30, 30), (40, 10, 1), (10, 5, 0)])
def test_one_run_p_value_equals_the_sum_term_by_term(m, r, v, epsilon):
    guesses = stats.binom(r, 1 / (1 + np.exp(-epsilon)))
    worst = max((sum(guesses.pmf(v - j) for j in range(1, i + 1)) / i for i in range(1, v + 1)), default=0)
    expected = min(1, guesses.sf(v - 1) + 2 * m * 1e-3 * worst)
    assert one_run_p_value(m, r, v, epsilon, 1e-3) == pytest.approx(expected, abs=1e-12)


def test_guessing_proves_nothing():
    assert one_run_epsilon(1000, 100, 50, 1e-5) == 0
    assert one_run_epsilon(1000, 0, 0, 1e-5) == 0


def test_plain_bound_rarely_claims_anything_on_noise():
    """The bound over all thresholds of the same scores would be above 0 on nearly every noise sample."""
    claims = [epsilon_lower_bound(make_sample(s, 400, 400, d=0)).epsilon > 0 for s in range(200)]
    assert sum(claims) <= 18  # P < 0.01 if each claims with probability 0.05


def test_plain_bound_approaches_the_ceiling_of_its_counts():
    sample = make_sample(0, 1000, 1000)
    sample = dataclasses.replace(sample, scores=sample.members.astype(float))
    halves = np.tile([True, False], 1000)[np.argsort(np.argsort(sample.members, kind="stable"))]
    found = epsilon_lower_bound(dataclasses.replace(sample, select=halves))
    assert found.epsilon == pytest.approx(4.91, abs=0.01)  # 500 and 500, two bounds at 97.5 %
    assert found.fpr_hi == found.fnr_hi == pytest.approx(1 - 0.025 ** (1 / 500))
    assert epsilon_lower_bound(dataclasses.replace(sample, select=halves), delta=0.01).epsilon < found.epsilon


def test_bad_counts_are_refused():
    for m, r, v, delta in ((10, 11, 5, 0.0), (10, 5, 6, 0.0), (10, 5, 2, 1.0)):
        with pytest.raises(InputError, match="must be"):
            one_run_epsilon(m, r, v, delta)
    sample = make_sample(0)
    with pytest.raises(InputError, match="delta"):
        epsilon_lower_bound(sample, delta=-1)
    with pytest.raises(InputError, match="needs members"):
        epsilon_lower_bound(dataclasses.replace(sample, select=sample.members))
