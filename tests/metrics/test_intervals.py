"""Intervals against their references, at their limits, and a quick look at their coverage."""

import numpy as np
import pytest
from scipy import stats

from leakbench.evaluation.coverage import Study, coverage_table
from leakbench.metrics import Sample
from leakbench.metrics.statistics.clusters import Clustered, clustered_variance, effective_size
from leakbench.metrics.statistics.intervals import (
    auc_between_models,
    auc_interval,
    clopper_pearson,
    difference_interval,
    rate_interval,
)
from leakbench.metrics.statistics.tpr_interval import tpr_interval

from .samples import make_sample


def one_target(scores: list[float], members: list[bool]) -> Sample:
    n = len(scores)
    return Sample(
        np.array(scores, dtype=np.float64),
        np.array(members),
        np.zeros(n, dtype=int),
        np.arange(n),
        np.arange(n) % 2 == 0,
    )


@pytest.mark.parametrize(("x", "n"), [(0, 1), (1, 1), (0, 50), (7, 50), (50, 50), (3, 100_000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_clopper_pearson_equals_scipy(x, n, level):
    reference = stats.binomtest(x, n).proportion_ci(level, method="exact")
    np.testing.assert_allclose(clopper_pearson(x, n, level), reference, atol=1e-12)


def test_a_rate_of_one_target_is_exactly_clopper_pearson():
    sample = make_sample(0)
    for share in (0.0, 0.01, 0.3, 1.0):
        hits = np.arange(800) < 800 * share
        assert rate_interval(hits, sample) == clopper_pearson(hits.sum(), 800)


def slow_two_way(psi, model, record):
    """The three sums of Cameron, Gelbach and Miller, pair by pair."""
    sums = {"model": 0.0, "record": 0.0, "cell": 0.0}
    for i in range(psi.size):
        for j in range(psi.size):
            product = psi[i] * psi[j]
            sums["model"] += product * (model[i] == model[j])
            sums["record"] += product * (record[i] == record[j])
            sums["cell"] += product * (i == j)
    return sums


def test_clustered_variance_equals_the_sum_over_pairs():
    rng = np.random.default_rng(0)
    model, record = (a.ravel() for a in np.indices((6, 20)))
    psi = (rng.standard_normal((6, 1)) + rng.standard_normal((1, 20)) + rng.standard_normal((6, 20))).ravel()
    psi -= psi.mean()
    sums = slow_two_way(psi, model, record)
    found = clustered_variance(psi, model, record)
    assert found.by_model == pytest.approx(sums["model"] * 6 / 5)
    assert found.by_record == pytest.approx(sums["record"] * 20 / 19)
    assert found.independent == pytest.approx(sums["cell"] * 120 / 119)
    assert found.furthest == pytest.approx(max(psi[model == m].sum() ** 2 for m in range(6)) / sums["model"])
    assert (found.models, found.records, found.n) == (6, 20, 120)


@pytest.mark.parametrize("models", [2, 4, 16])
@pytest.mark.parametrize("of_model", [0.5, 1.0, 4.0])
def test_half_width_is_the_quantile_of_its_pivot(models, of_model):
    """A third of a million draws of the pivot: 5 % lie beyond."""
    clusters = Clustered(1.0, of_model, 0.5, 1.2, models * 1000, models, 1000, 100.0)
    rng = np.random.default_rng(0)
    chi = rng.chisquare(models, 333_333)
    w = stats.t.ppf(0.975, 999) ** 2 / stats.norm.ppf(0.975) ** 2
    w = w + 1.5 * np.maximum(0, of_model * models / chi - 1.2)
    beyond = np.abs(rng.standard_normal(chi.size)) > clusters.half_width() / np.sqrt(w)
    assert beyond.mean() == pytest.approx(0.05, abs=0.002)


def test_a_small_variance_between_few_models_is_no_proof_that_they_do_not_differ():
    none, little = (Clustered(1.0, by_model, 0.5, 1.0, 400, 4, 100, 50.0) for by_model in (0.0, 0.9))
    assert none.half_width() == pytest.approx(stats.t.ppf(0.975, 99))
    assert little.variance == none.variance
    assert little.half_width() > 1.2 * none.half_width()


def test_one_model_gives_the_variance_of_independent_records():
    psi = np.random.default_rng(0).standard_normal(50)
    psi -= psi.mean()
    found = clustered_variance(psi, np.zeros(50, dtype=int), np.arange(50))
    assert found.variance == found.independent == pytest.approx(50 * psi.var(ddof=1))
    assert found.half_width() == pytest.approx(stats.t.ppf(0.975, 49) * np.sqrt(found.variance))
    assert found.design_effect(0.95) == 1


def test_records_that_decide_for_all_models_count_once():
    record = np.tile(np.arange(300), 16)
    model = np.repeat(np.arange(16), 300)
    hits = record % 3 == 0
    assert effective_size(hits, model, record) == pytest.approx(300, rel=0.05)
    assert effective_size(np.zeros(4800, dtype=bool), model, record) == pytest.approx(300)


def test_independent_scores_of_several_models_lose_little():
    rng = np.random.default_rng(0)
    record, model = np.tile(np.arange(300), 16), np.repeat(np.arange(16), 300)
    sizes = [effective_size(rng.random(4800) < 0.2, model, record) for _ in range(50)]
    assert np.median(sizes) > 0.75 * 4800  # sixteen models cannot show that they do not differ


def test_difference_without_clusters_is_newcombe_s():
    sample = make_sample(1)
    called = sample.scores > 0.5
    m = sample.members
    (l1, u1), (l0, u0) = (clopper_pearson(called[g].sum(), g.sum()) for g in (m, ~m))
    p1, p0 = called[m].mean(), called[~m].mean()
    found = difference_interval(sample, called)
    assert found.lo == pytest.approx(p1 - p0 - np.hypot(p1 - l1, u0 - p0))
    assert found.hi == pytest.approx(p1 - p0 + np.hypot(u1 - p1, p0 - l0))


def test_auc_interval_is_delong_s_on_many_scores():
    sample = make_sample(2, 4000, 6000)
    x, y = sample.scores[sample.members], sample.scores[~sample.members]
    above = (x[:, None] > y).astype(float)
    se = np.sqrt(above.mean(axis=1).var(ddof=1) / x.size + above.mean(axis=0).var(ddof=1) / y.size)
    lo, hi = auc_interval(sample)
    assert hi - lo == pytest.approx(2 * 1.96 * se, rel=0.03)


def test_perfect_separation_is_the_exact_interval_of_disjoint_pairs():
    sample = one_target([*range(100)], [i >= 60 for i in range(100)])
    assert auc_interval(sample) == pytest.approx(clopper_pearson(40, 40))


def test_tpr_interval_becomes_clopper_pearson_when_the_threshold_is_known():
    rng = np.random.default_rng(3)
    members = np.arange(1_000_200) < 200
    scores = rng.standard_normal(members.size) + members
    sample = Sample(scores, members, np.zeros(members.size, dtype=int), np.arange(members.size), members)
    point = sample.roc.at_fpr(0.3)
    np.testing.assert_allclose(tpr_interval(sample, 0.3), clopper_pearson(point.tp, 200), atol=0.006)


@pytest.mark.parametrize(("step", "tail"), [(0.0, 0.025), (1.0, 0.00380418)])
def test_tpr_interval_equals_its_definition(step, tail):
    """The mixture's distribution function at the limits, summed term by term with scipy.stats."""
    sample = make_sample(4, 150, 200, d=2, step=step)
    members, others = sample.scores[sample.members], np.sort(sample.scores[~sample.members])[::-1]
    counts = [0, *((members > s).sum() for s in others), 150]
    lo, hi = tpr_interval(sample, 0.05)
    weight = stats.binom.pmf(np.arange(201), 200, 0.05)
    below = sum(
        w * (stats.beta.cdf(lo, c, 151 - c) if c else 1) for w, c in zip(weight, counts, strict=False)
    )
    over = sum(
        w * (stats.beta.sf(hi, c + 1, 150 - c) if c < 150 else 1)
        for w, c in zip(weight, counts[1:], strict=True)
    )
    assert below == pytest.approx(tail, abs=1e-6)
    assert over == pytest.approx(tail, abs=1e-6)
    assert tail * (1 - np.log(tail)) == pytest.approx(0.025, abs=1e-6) or not step


def test_pairs_within_a_model_are_told_from_pairs_between_models():
    sample = make_sample(5, 20, 20, step=0.5, targets=6)
    inside, outside = np.flatnonzero(sample.members), np.flatnonzero(~sample.members)
    wins = [
        (sample.scores[i] > sample.scores[j]) + 0.5 * (sample.scores[i] == sample.scores[j])
        for i in inside
        for j in outside
        if sample.model[i] != sample.model[j]
    ]
    lo, hi = auc_interval(sample)
    assert lo < min(np.mean(wins), sample.roc.auc) <= max(np.mean(wins), sample.roc.auc) < hi
    assert auc_between_models(sample) == pytest.approx(np.mean(wins), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "members"),
    [
        ([0, 1], [False, True]),
        ([1, 0], [False, True]),
        ([1, 1], [False, True]),
        ([2] * 50, [True] * 20 + [False] * 30),
        ([*range(50)], [True] * 20 + [False] * 30),
        ([*range(50)], [False] * 30 + [True] * 20),
        ([0] * 49 + [1], [True] * 20 + [False] * 30),
        ([*range(51)], [True] + [False] * 50),
    ],
)
def test_degenerate_samples_give_valid_intervals(scores, members):
    sample = one_target(scores, members)
    called = sample.scores > 0
    rates = difference_interval(sample, called)
    for value, (lo, hi) in (
        (sample.roc.auc, auc_interval(sample)),
        (rates.difference, (rates.lo, rates.hi)),
        *((sample.roc.at_fpr(a).tpr, tpr_interval(sample, a)) for a in (0, 0.05, 0.5)),
    ):
        assert -1 <= lo <= value <= hi <= 1
        assert lo < hi


@pytest.fixture(scope="module")
def covered():
    kinds = (Study(2, 500, 5000), Study(0.5, targets=16, of_model=0.1, of_record=0.5))
    return {(c.study.targets, c.metric): c for c in coverage_table(200, kinds)}


@pytest.mark.parametrize("targets", [1, 16])
@pytest.mark.parametrize("metric", ["auc", "advantage", "balanced_accuracy", "tpr@fpr=0.1", "tpr@fpr=0.01"])
def test_coverage_at_a_glance(covered, targets, metric):
    assert covered[targets, metric].limits.hi >= 0.95


def test_advantage_covers_where_the_gains_of_four_models_differ():
    """Two of them are measured, but how much models differ is seen on all four."""
    study = Study(0.5, targets=4, of_model=0.01, of_record=0.98, gain=0.3)
    found = {c.metric: c for c in coverage_table(150, (study,))}["advantage"]
    assert found.limits.hi >= 0.95 and found.relative < 2.2


def test_clopper_pearson_on_tpr_alone_does_not_cover():
    """Why `tpr_interval` exists: the threshold at a low FPR is an estimate too."""
    study = Study(2, 2000, 2000)
    truth = study.above(stats.norm.isf(0.01), True)
    hits = 0
    for seed in range(200):
        sample = study.draw(np.random.default_rng(seed))
        lo, hi = clopper_pearson(sample.roc.at_fpr(0.01).tp, 2000)
        hits += lo <= truth <= hi
    assert clopper_pearson(hits, 200).hi < 0.8
