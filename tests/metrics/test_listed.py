"""Lists with a stated share of errors, and thresholds from other models: slow references, error rates, closed forms."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from leakbench.core.errors import InputError
from leakbench.metrics.listed import Listed, on_list
from leakbench.metrics.tpr_at_shadow_threshold import TprAtShadowThreshold

from .samples import make_sample


@pytest.mark.parametrize("targets", [1, 4])
@pytest.mark.parametrize("step", [0.0, 0.5])
def test_p_values_and_lists_equal_the_slow_ones(targets, step):
    sample = make_sample(0, 40, 50, d=3.0, step=step, targets=targets)
    found, listed = sample.p_values, on_list(sample, 0.2)
    for i in range(sample.scores.size):
        others = sample.model != sample.model[i] if targets > 1 else np.arange(sample.scores.size) != i
        outside = sample.scores[others & ~sample.members]
        assert found[i] == pytest.approx((1 + (outside >= sample.scores[i]).sum()) / (1 + outside.size))
    for model in range(targets):
        rows = np.flatnonzero(sample.model == model)
        passed = [k for k in range(1, rows.size + 1) if np.sort(found[rows])[k - 1] <= 0.2 * k / rows.size]
        expected = (
            found[rows] <= np.sort(found[rows])[max(passed) - 1]
            if passed
            else np.zeros(rows.size, dtype=bool)
        )
        np.testing.assert_array_equal(listed[rows], expected)
    assert listed.any()


@pytest.mark.parametrize(("targets", "d"), [(1, 0.0), (1, 3.0), (8, 0.0), (8, 3.0)])
def test_no_more_of_a_list_is_wrong_than_stated(targets, d):
    """The false-discovery proportion, averaged over 200 lists, is at most 10 % within three standard errors."""
    wrong = []
    for seed in range(200 // targets):
        sample = make_sample(seed, 150, 150, d=d, targets=targets)
        listed = on_list(sample, 0.1)
        for model in range(targets):
            own = listed & (sample.model == model)
            wrong.append((own & ~sample.members).sum() / max(1, own.sum()))
    assert np.mean(wrong) < 0.1 + 3 * np.std(wrong) / np.sqrt(len(wrong))


def test_what_a_list_rests_on():
    estimate = Listed(0.1).estimate(make_sample(1, 400, 400, d=3.0, targets=4))
    detail = estimate.detail
    assert estimate.value == pytest.approx((detail["listed"] - detail["wrong"]) / 400)
    assert 0 < detail["wrong"] < 0.2 * detail["listed"]


@pytest.mark.parametrize("fpr", [0.1, 0.01])
def test_two_gaussians_have_their_closed_form_at_a_threshold_of_other_models(fpr):
    estimate = TprAtShadowThreshold(fpr).estimate(make_sample(0, 4000, 4000, d=2.0, targets=4), 0.99)
    assert estimate.lo < ndtr(2.0 + ndtri(fpr)) < estimate.hi
    assert estimate.detail["fpr_lo"] < fpr < estimate.detail["fpr_hi"]


def test_a_model_s_own_scores_do_not_move_its_threshold():
    """One model whose scores all lie higher is called a member everywhere, which its realised FPR tells."""
    sample = make_sample(0, 500, 500, d=0.0, targets=4)
    sample.scores[sample.model == 2] += 100
    estimate = TprAtShadowThreshold(0.01).estimate(sample)
    assert estimate.value == pytest.approx(0.25, abs=0.02)
    assert estimate.detail["fpr"] == pytest.approx(0.25, abs=0.02)


def test_what_cannot_be_listed_is_refused():
    with pytest.raises(InputError, match="fdr must be"):
        Listed(0.0)
    with pytest.raises(InputError, match="fpr must be"):
        TprAtShadowThreshold(1.0)
    assert "needs 3 models" in TprAtShadowThreshold().applies(make_sample(0))
    assert "non-members of every model" in TprAtShadowThreshold(1e-3).applies(make_sample(0, targets=4))
