"""Lower bounds on epsilon: published values, a slow reference, and silence on noise."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from leakbench.core.errors import InputError
from leakbench.metrics import Sample
from leakbench.metrics.epsilon_bound import EpsilonBound
from leakbench.metrics.epsilon_bound_gaussian import GaussianEpsilonBound
from leakbench.metrics.epsilon_bound_models import ManyModelsEpsilonBound
from leakbench.metrics.statistics.epsilon import epsilon_lower_bound
from leakbench.metrics.statistics.one_run import (
    gaussian_delta,
    gaussian_epsilon,
    one_run_epsilon,
    one_run_mu,
    one_run_p_value,
)

from .samples import make_sample

DELTA = 1e-5


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


@pytest.mark.parametrize(
    ("m", "r", "v", "delta", "mu", "epsilon"),
    [
        (1000, 100, 75, 1e-4, 0.2695, 0.8417),
        (100_000, 1510, 1439, 1e-5, 0.7839, 3.3091),
        (1000, 1000, 600, 1e-5, 0.1638, 0.5835),
        (1000, 500, 450, 1e-5, 0.8002, 3.3877),
        (1000, 200, 200, 1e-5, 1.5364, 7.2568),
        (500, 100, 95, 1e-5, 0.8548, 3.6538),
        (1000, 1000, 1000, 1e-5, 2.3681, 12.3346),
    ],
)
def test_one_run_pins_of_gaussian_privacy(m, r, v, delta, mu, epsilon):
    found = one_run_mu(m, r, v)
    assert found == pytest.approx(mu, abs=2e-4)
    assert gaussian_epsilon(found, delta) == pytest.approx(epsilon, abs=2e-3)


@pytest.mark.parametrize("mu", [0.3, 1.0, 4.0])
def test_gaussian_epsilon_is_that_of_the_largest_likelihood_ratios(mu):
    """delta(epsilon) is the integral of max(0, p - e^epsilon q) of N(mu, 1) and N(0, 1)."""
    x = np.linspace(-12, 16, 400_001)
    epsilon = gaussian_epsilon(mu, DELTA)
    p, q = stats.norm.pdf(x, mu), stats.norm.pdf(x)
    assert np.trapezoid(np.maximum(0, p - np.exp(epsilon) * q), x) == pytest.approx(DELTA, rel=1e-3)
    assert gaussian_delta(mu, epsilon) == pytest.approx(DELTA, rel=1e-6)
    assert gaussian_epsilon(0.0, DELTA) == 0 == gaussian_epsilon(1e-9, DELTA)
    assert gaussian_epsilon(mu, 0.0) == np.inf


def randomized_response(epsilon):
    """The tightest mechanism of an epsilon: each canary's bit, told rightly with odds e^epsilon."""
    return lambda rng, members: np.where(
        rng.random(members.shape) < 1 / (1 + np.exp(-epsilon)), members, ~members
    )


def gaussian(mu):
    return lambda rng, members: mu * members + rng.standard_normal(members.shape)


def played(mechanism, coins, seed, models, records):
    """One game: members drawn by coins, or a random half of the records; what the mechanism tells of each."""
    rng = np.random.default_rng([seed, models, records])
    if coins:
        members = rng.random((models, records)) < 0.5
    else:
        members = rng.permuted(np.tile(np.arange(records) % 2 == 0, (models, 1)), axis=1)
    model, record = np.indices(members.shape).reshape(2, -1)
    select = model // 2 % 2 == 0 if models > 3 else rng.permutation(records)[record] % 2 == 0
    return Sample(mechanism(rng, members).ravel().astype(float), members.ravel(), model, record, select)


GAMES = [
    (randomized_response(0.0), 0.0, EpsilonBound(DELTA), 1),
    (randomized_response(0.0), 0.0, GaussianEpsilonBound(DELTA, "multi_split", splits=10), 1),
    (randomized_response(0.5), 0.5, EpsilonBound(0.0), 1),
    (randomized_response(2.0), 2.0, EpsilonBound(DELTA), 8),
    (randomized_response(2.0), 2.0, EpsilonBound(DELTA, "multi_split", splits=10), 1),
    (randomized_response(2.0), 2.0, EpsilonBound(DELTA, "bonferroni"), 1),
    (randomized_response(2.0), 2.0, EpsilonBound(DELTA, guesses=(0.5, 0.5)), 1),
    (randomized_response(2.0), 2.0, ManyModelsEpsilonBound(DELTA), 8),
    (gaussian(1.0), gaussian_epsilon(1.0, DELTA), GaussianEpsilonBound(DELTA), 1),
    (gaussian(1.0), gaussian_epsilon(1.0, DELTA), EpsilonBound(DELTA), 1),
]


def claims_too_much(game, coins, games):
    mechanism, epsilon, metric, models = game
    records = 800 // models if models > 1 else 600
    bounds = [metric.estimate(played(mechanism, coins, s, models, records)).value for s in range(games)]
    return sum(bound > epsilon for bound in bounds), np.mean(bounds)


@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game[1]:.2g}-{game[2].label}")
def test_a_known_epsilon_is_rarely_exceeded(game):
    wrong, mean = claims_too_much(game, coins=True, games=40)
    assert wrong <= 6  # P = 0.006 if each claims too much with probability 0.05
    if game[1] >= 2:
        assert mean > 0.2 * game[1], "a bound that proves nothing is no test"


@pytest.mark.slow
@pytest.mark.parametrize("coins", [True, False])
@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game[1]:.2g}-{game[2].label}")
def test_a_known_epsilon_is_exceeded_at_most_at_the_stated_rate(game, coins):
    wrong, _ = claims_too_much(game, coins, games=1000)
    assert wrong <= 67  # P = 0.007 if each claims too much with probability 0.05


def test_a_tie_that_holds_everybody_proves_nothing_however_the_members_were_drawn():
    """Neither the order of the file nor a generator's usual seed must order the records of a tie."""
    for members in (
        np.arange(1000) < 500,
        np.arange(1000) < 700,
        np.random.default_rng(0).permutation(1000) < 500,
        np.random.default_rng(0).permutation(1000) < 700,
    ):
        halves = np.arange(1000) % 2 == 0
        sample = Sample(np.zeros(1000), members, np.zeros(1000, dtype=int), np.arange(1000), halves)
        for strategy in ("split", "multi_split", "bonferroni"):
            assert EpsilonBound(DELTA, strategy).estimate(sample).value < 0.2


def test_without_a_delta_a_gaussian_training_has_no_finite_epsilon():
    sample = make_sample(0, 300, 300, d=2)
    assert "delta above 0" in GaussianEpsilonBound(0.0).applies(sample)
    assert GaussianEpsilonBound(DELTA).applies(sample) is None


def test_a_bound_of_several_trainings_is_one_that_half_of_them_reach():
    metric = EpsilonBound(DELTA, guesses=(0.2, 0.0))
    sample = make_sample(3, 400, 400, d=2, targets=8)
    alone = [
        one_run_epsilon(
            800, 160, int(sample.members[model][np.argsort(-sample.scores[model])[:160]].sum()), DELTA, 0.025
        )
        for model in (sample.model == t for t in range(8))
    ]
    assert metric.estimate(sample).value == pytest.approx(sorted(alone)[4])


def test_impossible_parameters_of_a_bound_are_refused():
    for fields in ({"delta": 1.0}, {"delta": -0.1}, {"guesses": (0.0, 0.0)}, {"guesses": (0.6, 0.6)}):
        with pytest.raises(InputError, match="must be"):
            EpsilonBound(**fields)
    with pytest.raises(InputError, match="must be"):
        ManyModelsEpsilonBound(delta=1.0)
    assert "needs 4 models in each half" in ManyModelsEpsilonBound().applies(make_sample(0))
