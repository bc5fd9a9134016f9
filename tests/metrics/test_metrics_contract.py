"""What holds for every metric, whatever it measures."""

import dataclasses

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from leakbench.core.errors import InputError
from leakbench.metrics import METRICS, Sample
from leakbench.metrics.advantage import Advantage
from leakbench.metrics.auc import Auc
from leakbench.metrics.balanced_accuracy import BalancedAccuracy
from leakbench.metrics.best_balanced_accuracy import BestBalancedAccuracy
from leakbench.metrics.epsilon_bound import EpsilonBound
from leakbench.metrics.epsilon_bound_gaussian import GaussianEpsilonBound
from leakbench.metrics.precision import Precision
from leakbench.metrics.stability import Stability
from leakbench.metrics.standard import STANDARD, one_run
from leakbench.metrics.tpr_at_fpr import TprAtFpr
from leakbench.metrics.tpr_at_shadow_threshold import TprAtShadowThreshold

from .samples import make_sample

BOUNDS = [
    EpsilonBound(0.01, "bonferroni"),
    EpsilonBound(1e-3, guesses=(0.1, 0.05)),
    GaussianEpsilonBound(),
    GaussianEpsilonBound(1e-6, "multi_split", splits=3),
]
ALL = [*STANDARD, Precision(0.0), Precision(0.05, prior=0.3), *BOUNDS]
WITH_CHANCE = [
    m for m in ALL if m.parameters().get("fpr") != 0
]  # at FPR 0 chance differs from sample to sample
SAMPLES = {
    "one target": make_sample(0, 1500, 2500),
    "ties": make_sample(1, 1500, 2500, step=0.5),
    "eight targets": make_sample(2, 300, 300, targets=8),
    "four targets, ties": make_sample(3, 600, 600, step=0.5, targets=4),
    "separated": make_sample(4, 1500, 2500, d=20),
    "all equal": make_sample(5, 1500, 2500, step=1e6),
}


def chance(metric, sample):
    if isinstance(metric, TprAtFpr | TprAtShadowThreshold | Stability):
        return metric.fpr
    if isinstance(metric, Precision):
        return metric.prior or sample.n_members / sample.scores.size
    return metric.chance


def numbers(estimate):
    return [estimate.value, estimate.lo, estimate.hi]


def test_the_standard_set_covers_every_metric_under_labels_of_its_own():
    labels = [metric.label for metric in ALL]
    assert len(set(labels)) == len(labels)
    assert {metric.name for metric in (*STANDARD, *one_run())} == set(METRICS.names())
    assert [m.label for m in STANDARD] == [
        "auc",
        "advantage",
        "balanced_accuracy",
        "balanced_accuracy_best",
        "tpr@fpr=0.1",
        "tpr@fpr=0.01",
        "tpr@fpr=0.001",
        "tpr@fpr=0",
        "ppv@fpr=0.01",
        *(f"precision@fpr=0.01,prior={prior}" for prior in (0.01, 0.1, 0.5)),
        "tpr_at_shadow_threshold@fpr=0.01",
        "tpr_at_shadow_threshold@fpr=0.001",
        "listed@fdr=0.05",
        "stability@fpr=0.01",
        "epsilon_bound@delta=1e-05",
        "epsilon_bound_models@delta=1e-05",
    ]


@pytest.mark.parametrize(
    ("metric", "name"),
    [(m, name) for m in ALL for name in SAMPLES if m.applies(SAMPLES[name]) is None],
    ids=lambda each: getattr(each, "label", each),
)
class TestContract:
    def test_value_lies_in_a_finite_interval_of_its_range(self, metric, name):
        estimate = metric.estimate(SAMPLES[name])
        least = -1 if metric.name == "advantage" else 0
        most = np.inf if metric.name.startswith("epsilon") else 1  # a lower bound has no upper limit
        assert least <= estimate.lo <= estimate.value <= estimate.hi <= most
        assert estimate.n_members > 0
        assert estimate.n_nonmembers > 0
        for key, value in estimate.detail.items():
            assert type(value) in (int, float), key

    def test_order_of_the_scores_does_not_matter(self, metric, name):
        sample = SAMPLES[name]
        order = np.random.default_rng(0).permutation(sample.scores.size)
        one, other = metric.estimate(sample), metric.estimate(sample.take(order))
        np.testing.assert_allclose(numbers(other), numbers(one), atol=1e-9)

    def test_a_strictly_monotone_map_of_the_scores_changes_nothing(self, metric, name):
        sample = SAMPLES[name]
        mapped = dataclasses.replace(sample, scores=np.arctan(sample.scores / 10) * 4 + 1)
        one, other = metric.estimate(sample), metric.estimate(mapped)
        np.testing.assert_allclose(numbers(other), numbers(one), atol=1e-9)

    def test_a_wider_level_holds_the_narrower(self, metric, name):
        narrow, wide = (metric.estimate(SAMPLES[name], level) for level in (0.8, 0.99))
        assert wide.lo <= narrow.lo <= narrow.hi <= wide.hi

    def test_inputs_are_left_alone(self, metric, name):
        sample = SAMPLES[name]
        arrays = {f.name: getattr(sample, f.name) for f in dataclasses.fields(sample)}
        frozen = {name: np.array(array) for name, array in arrays.items() if array is not None}
        for value in frozen.values():
            value.setflags(write=False)
        metric.estimate(Sample(**frozen))


@pytest.fixture(scope="module")
def noise():
    """Samples of pure noise, by their number of targets; what metrics share of them is computed once."""
    return {t: [make_sample(seed, 700, 1100, d=0, targets=t) for seed in range(20)] for t in (1, 8)}


@pytest.mark.parametrize(
    ("metric", "targets"),
    [(m, t) for m in WITH_CHANCE for t in (1, 8) if m.applies(make_sample(0, 700, 1100, targets=t)) is None],
    ids=lambda each: getattr(each, "label", each),
)
def test_independent_noise_reads_as_chance(metric, targets, noise):
    """Of 20 samples of pure noise, a 99 % interval misses chance in at most 2 (P = 1e-3 if it holds)."""
    missed = 0
    for sample in noise[targets]:
        estimate = metric.estimate(sample, 0.99)
        missed += not estimate.lo <= chance(metric, sample) <= estimate.hi
    assert missed <= 2


@pytest.mark.parametrize("d", [0.5, 1, 2])
def test_two_gaussians_have_their_closed_forms_inside(d):
    sample = make_sample(7, 8000, 12_000, d=d)
    truth = {
        Auc(): ndtr(d / np.sqrt(2)),
        Advantage(): 2 * ndtr(d / 2) - 1,
        BalancedAccuracy(): ndtr(d / 2),
        BestBalancedAccuracy(): ndtr(d / 2),
        **{TprAtFpr(a): ndtr(d + ndtri(a)) for a in (0.1, 0.01, 0.001)},
    }
    for metric, value in truth.items():
        estimate = metric.estimate(sample)
        assert estimate.lo <= value <= estimate.hi, metric.label


def test_gap_attack_s_balanced_accuracy_is_half_plus_half_the_gap():
    rng = np.random.default_rng(0)
    members = np.arange(3000) < 1000
    correct = np.where(members, rng.random(3000) < 0.98, rng.random(3000) < 0.83)
    sample = Sample(
        correct.astype(float), members, np.zeros(3000, dtype=int), np.arange(3000), members, decided=correct
    )
    gap = correct[members].mean() - correct[~members].mean()
    assert BalancedAccuracy().estimate(sample).value == pytest.approx(0.5 + gap / 2, abs=1e-12)


def test_the_held_out_threshold_is_unbiased_on_noise():
    values = [Advantage().estimate(make_sample(s, 300, 300, d=0)).value for s in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)
    in_sample = [make_sample(s, 300, 300, d=0).roc.best() for s in range(50)]
    assert np.mean([p.tpr - p.fpr for p in in_sample]) > 0.04


def test_best_balanced_accuracy_is_half_of_one_plus_the_advantage():
    sample = SAMPLES["eight targets"]
    one, other = Advantage().estimate(sample), BestBalancedAccuracy().estimate(sample)
    assert numbers(other) == pytest.approx([(1 + x) / 2 for x in numbers(one)])
    assert one.n_members + one.n_nonmembers == (~sample.select).sum()


def test_precision_follows_its_formula():
    sample = SAMPLES["one target"]
    tpr, ppv = TprAtFpr(0.01).estimate(sample), Precision(0.01).estimate(sample)
    assert ppv.value == pytest.approx(tpr.value * 1500 / (tpr.value * 1500 + 0.01 * 2500))
    assert ppv.lo == pytest.approx(tpr.lo * 1500 / (tpr.lo * 1500 + 0.01 * 2500))
    rare = Precision(0.01, prior=0.001).estimate(sample)
    assert rare.hi == pytest.approx(tpr.hi * 0.001 / (tpr.hi * 0.001 + 0.01 * 0.999))


def test_precision_at_fpr_zero():
    found = Precision(0.0).estimate(make_sample(0, 1500, 2500, d=4))
    assert found.value == found.hi == 1
    assert 0.9 < found.lo < 1
    assert Precision(0.0).estimate(SAMPLES["all equal"]).value == 0


def test_tpr_says_what_it_rests_on():
    sample = SAMPLES["ties"]
    estimate = TprAtFpr(0.1).estimate(sample)
    called = sample.scores >= estimate.detail["threshold"]
    assert estimate.detail["tp"] == called[sample.members].sum() == estimate.value * 1500
    assert estimate.detail["fp"] == called[~sample.members].sum()
    assert estimate.detail["fpr"] == estimate.detail["fp"] / 2500 <= 0.1
    zero = TprAtFpr(0.0).estimate(sample)
    assert zero.detail["fpr_hi"] == pytest.approx(1 - 0.05 ** (1 / 2500))


def test_what_cannot_be_measured_is_refused_with_the_reason():
    few = make_sample(0, 500, 500)
    assert TprAtFpr(0.001).applies(few) == "an FPR of 0.001 needs at least 1000 non-members, got 500"
    assert Precision(0.001).applies(few) == TprAtFpr(0.001).applies(few)
    assert TprAtFpr(0.01).applies(make_sample(0, 500, 100)) is None
    only_members = few.at(few.members)
    for metric in ALL:
        assert metric.applies(only_members)
    assert BalancedAccuracy().applies(dataclasses.replace(few, decided=None)) is not None
    unmeasured = dataclasses.replace(few, select=np.ones(1000, dtype=bool))
    assert Advantage().applies(unmeasured) == (
        "needs members and non-members in the half that is measured, got 0 and 0"
    )


@pytest.mark.parametrize("fields", [{"fpr": 1.0}, {"fpr": -0.1}, {"prior": 0.0}, {"prior": 1.0}])
def test_impossible_parameters_are_refused(fields):
    with pytest.raises(InputError, match="must be"):
        Precision(**fields)
    with pytest.raises(InputError, match="precision"):
        METRICS.make({"name": "precision", **fields})
