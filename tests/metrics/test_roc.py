"""The ROC against scikit-learn, against brute force, and under what must not change it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from leakbench.core.errors import InputError
from leakbench.metrics.statistics.roc import Roc, allowed, best_threshold


@st.composite
def tied_scores(draw):
    """Few distinct scores, so that ties abound; at least one member and one non-member."""
    members = draw(st.lists(st.booleans(), min_size=2, max_size=60).filter(lambda m: len(set(m)) == 2))
    scores = draw(st.lists(st.integers(-4, 4), min_size=len(members), max_size=len(members)))
    return np.array(scores, dtype=np.float64), np.array(members)


@given(tied_scores())
def test_equals_scikit_learn_on_ties(data):
    scores, members = data
    roc = Roc.of(scores, members)
    fpr, tpr, thresholds = roc_curve(members, scores, drop_intermediate=False)
    np.testing.assert_allclose(np.append(0, roc.fpr), fpr, atol=1e-15)
    np.testing.assert_allclose(np.append(0, roc.tpr), tpr, atol=1e-15)
    np.testing.assert_array_equal(roc.thresholds, thresholds[1:])
    assert roc.auc == pytest.approx(roc_auc_score(members, scores), abs=1e-14)


@given(tied_scores(), st.sampled_from([0.0, 0.001, 0.1, 0.25, 1 / 3, 0.5, 0.99]))
def test_at_fpr_equals_a_search_over_all_thresholds(data, fpr):
    scores, members = data
    points = [(0.0, 0.0)]
    for t in np.unique(scores):
        points.append(((scores >= t)[members].mean(), (scores >= t)[~members].mean()))
    best = max(tpr for tpr, f in points if f <= fpr + 1e-12)
    point = Roc.of(scores, members).at_fpr(fpr)
    assert point.tpr == best
    assert point.fpr == min(f for tpr, f in points if tpr == best)
    called = scores >= point.threshold
    assert (point.tp, point.fp) == (called[members].sum(), called[~members].sum())


@given(tied_scores())
def test_best_threshold_equals_the_quadratic_search(data):
    scores, members = data

    def balanced_accuracy(t):
        return ((scores >= t)[members].mean() + (scores < t)[~members].mean()) / 2

    best = max(balanced_accuracy(t) for t in scores)
    found = best_threshold(scores, members)
    assert balanced_accuracy(found) == pytest.approx(best, abs=1e-12)
    ties = [t for t in scores if balanced_accuracy(t) > best - 1e-12]
    assert found == max(ties)


@given(tied_scores(), st.randoms(use_true_random=False))
def test_order_does_not_matter(data, random):
    scores, members = data
    order = random.sample(range(scores.size), scores.size)
    one, other = Roc.of(scores, members), Roc.of(scores[order], members[order])
    assert one.auc == other.auc
    np.testing.assert_array_equal(one.tp, other.tp)
    np.testing.assert_array_equal(one.fp, other.fp)


@given(tied_scores())
def test_complement_and_monotone_maps(data):
    scores, members = data
    roc = Roc.of(scores, members)
    assert roc.auc == pytest.approx(1 - Roc.of(-scores, members).auc, abs=1e-15)
    assert roc.auc == Roc.of(-scores, ~members).auc
    mapped = Roc.of(np.exp(3 * scores) - 7, members)
    np.testing.assert_array_equal(mapped.tp, roc.tp)
    assert mapped.best().threshold == np.exp(3 * roc.best().threshold) - 7


@given(tied_scores())
def test_above_counts_members_over_each_rank(data):
    scores, members = data
    nonmembers = np.sort(scores[~members])[::-1]
    expected = [0, *((scores[members] > s).sum() for s in nonmembers), members.sum()]
    ranks = np.arange(nonmembers.size + 2)
    np.testing.assert_array_equal(Roc.of(scores, members).above(ranks), expected)


@given(tied_scores())
def test_placements_average_to_the_auc_on_both_sides(data):
    scores, members = data
    roc = Roc.of(scores, members)
    placements = roc.placements(members)
    assert placements[members].mean() == pytest.approx(roc.auc, abs=1e-12)
    assert placements[~members].mean() == pytest.approx(roc.auc, abs=1e-12)


def test_a_binary_score_is_not_interpolated():
    members = np.arange(2000) < 1000
    scores = np.where(members, np.arange(2000) % 10 < 9, np.arange(2000) % 10 < 6).astype(float)
    roc = Roc.of(scores, members)
    assert roc.auc == pytest.approx(0.65)
    assert roc.at_fpr(0.59).tpr == 0.0
    assert roc.at_fpr(0.6).tpr == 0.9


@pytest.mark.parametrize("fpr", [i / 100 for i in range(100)])
def test_a_decimal_fpr_allows_its_whole_count(fpr):
    assert allowed(fpr, 100) == round(fpr * 100)


@pytest.mark.parametrize(
    ("scores", "members", "says"),
    [
        ([1.0, 2.0], [True, True], "needs members and non-members"),
        ([1.0, np.nan], [True, False], "must be finite"),
        ([1.0, 2.0, 3.0], [True, False], r"must both be \[n\]"),
    ],
)
def test_bad_input_is_named(scores, members, says):
    with pytest.raises(InputError, match=says):
        Roc.of(np.array(scores), np.array(members))
