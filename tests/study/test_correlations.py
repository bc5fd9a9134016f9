"""What goes with leakage: scipy's correlations, an interval that covers, silence where the data cannot tell."""

import math

import numpy as np
import pytest
from scipy import stats

from leakbench.core.results import Distribution, Row
from leakbench.evaluation.predictor_correlations import (
    PREDICTORS,
    RESOLVED,
    _weaker,
    kendall,
    rank_correlations,
    spearman,
)
from leakbench.report.page import render
from leakbench.report.predicted_risk import predictor_words, risk, risk_line
from leakbench.report.results import Results
from leakbench.report.view import View
from leakbench.signals.types import Array


def study(auc: Array, attack: str = "lira", **predictors: Array) -> list[Row]:
    rows = [
        Row("auc", float(a), a - 0.01, a + 0.01, attack=attack, defence=f"d{k}", adaptive=True)
        for k, a in enumerate(auc)
    ]
    return rows + [
        Row(m, float(v), v - 0.01, v + 0.01, defence=f"d{k}", unit="nats" if m == "entropy_gap" else None)
        for m, values in predictors.items()
        for k, v in enumerate(values)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_correlations_are_those_of_scipy_ties_too(seed: int) -> None:
    x, y = np.random.default_rng(seed).integers(0, 5, (2, 12)).astype(float)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0])
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y)[0])
    both = np.stack([x, y]), np.stack([y, y])
    assert spearman(*both) == pytest.approx([float(spearman(x, y)), 1.0])
    assert kendall(*both) == pytest.approx([float(kendall(x, y)), 1.0])


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_the_interval_covers_from_the_fewest_defences_that_have_one(rho: float) -> None:
    rng = np.random.default_rng(3)
    covered = []
    truth = 6 / math.pi * math.asin(rho / 2)  # Spearman's rho of a bivariate normal
    for _ in range(100):
        a, b = rng.standard_normal((2, RESOLVED))
        rows = rank_correlations(study(a, js_entropy=rho * a + math.sqrt(1 - rho**2) * b), 0)
        row = next(r for r in rows if r.metric == "rank_correlation[js_entropy,auc]")
        covered.append(row.lo <= truth <= row.hi)  # type: ignore[operator]
    assert np.mean(covered) >= 0.88


def test_what_follows_leakage_beats_what_does_not() -> None:
    rng = np.random.default_rng(0)
    auc = rng.random(25)
    noise = rng.random(25)
    rows = rank_correlations(study(auc, js_entropy=auc + 0.01 * noise, entropy_mean=noise), 0)
    by = {r.metric: r for r in rows}
    assert by["rank_correlation[js_entropy,auc]"].value > 0.98
    assert by["rank_correlation[js_entropy,auc]"].detail["weaker"] == ["entropy_mean"]
    assert by["rank_correlation[entropy_mean,auc]"].detail["weaker"] == []
    told = predictor_words(View(Results("run", "x", rows)))[0]
    assert "Across 25 defences, JS distance, entropy follows the AUC of lira most closely" in told
    assert "more closely than mean entropy" in told


def test_equally_good_predictors_are_not_told_apart() -> None:
    rng = np.random.default_rng(1)
    auc = rng.random(12)
    pair = {m: auc + 0.3 * rng.random(12) for m in ("js_entropy", "js_cross_entropy")}
    rows = rank_correlations(study(auc, **pair), 0)
    assert all(r.detail.get("weaker", []) == [] for r in rows)
    assert "not significantly different from" in predictor_words(View(Results("run", "x", rows)))[0]


def test_the_level_of_a_comparison_is_divided_by_the_number_of_pairs() -> None:
    """The first predictor is the closer one in 98.5 % of the resamples: enough for one pair, not for one of six."""
    further = np.where(np.arange(1000) < 15, 0.9, 0.4)
    two = {"closer": np.full(1000, 0.6), "further": further}
    assert _weaker(two) == {"closer": ["further"], "further": []}
    four = two | {"third": further[::-1], "fourth": np.roll(further, 500)}
    assert _weaker(four)["closer"] == []


def test_few_defences_have_no_interval_and_fewer_no_rows() -> None:
    auc = np.linspace(0.5, 0.8, RESOLVED - 1)
    rows = rank_correlations(study(auc, js_entropy=auc), 0)
    assert rows and all((r.value, r.lo, r.hi) == (pytest.approx(1.0), None, None) for r in rows)
    assert "too few" in predictor_words(View(Results("run", "x", rows)))[0]
    assert rank_correlations(study(auc[:3], js_entropy=auc[:3]), 0) == []


def test_constants_and_gaps_have_no_rows_and_the_strongest_attack_stands_in_for_lira() -> None:
    auc = np.linspace(0.5, 0.8, 9)
    rows = study(auc, attack="best", js_entropy=auc, entropy_mean=np.ones(9), entropy_gap=auc[:5])
    rows.append(Row("auc", 0.9, attack="lira", defence="d0", adaptive=True))
    found = rank_correlations(rows, 0)
    assert {r.metric.partition("[")[2] for r in found} == {"js_entropy,auc]"}
    assert {r.attack for r in found} == {"best"}
    assert rank_correlations(study(np.ones(9), js_entropy=auc), 0) == []


def test_attackers_who_ignore_the_defence_and_slices_have_no_say() -> None:
    auc = np.linspace(0.5, 0.8, 9)
    rows = study(auc, js_entropy=auc)
    other = [
        Row("auc", 1 - a, attack="lira", defence=f"d{k}", adaptive=adaptive, slice=part)
        for k, a in enumerate(auc)
        for adaptive, part in ((False, "all"), (True, "class=1"))
    ]
    assert rank_correlations([*rows, *other], 0) == rank_correlations(rows, 0)


@pytest.mark.parametrize("n", [5, 13])  # points have names, and numbers from 13 on
def test_the_page_shows_them(n: int) -> None:
    auc = np.linspace(0.5, 0.8, n)
    rows = study(auc, js_entropy=auc, js_cross_entropy=auc**2, entropy_gap=auc[::-1].copy())
    shapes = [
        Distribution(f"d{k}", s, [0.1, 1.0, 2.0], [0.5, 0.5], [0.25, 0.75])
        for k in range(n)
        for s in ("entropy", "loss")
    ]
    results = Results("run", "x", [*rows, *rank_correlations(rows, 0)], distributions=shapes)
    page, view = render(results), View(results)
    assert 'id="outputs-section"' in page and 'id="predictors-section"' in page
    drawn = min(n, 12)  # of many defences those that matter
    assert page.count("entropy of members and non-members") == drawn
    assert page.split('id="predictors-section"')[1].count("<svg") >= 3
    assert ("no. 13" in page) == (n == 13)
    assert "all" not in view.defences
    assert "0.250 (95 % CI 0.240–0.260) apart" in str(risk(view)) and "predicted risk (d0)" in str(
        risk_line(view)
    )
    assert 'id="utility-section"' not in page


def test_predictors_are_metrics_that_exist() -> None:
    from leakbench.core.results import OUTPUTS

    assert set(PREDICTORS) <= {*OUTPUTS, "generalisation_gap"}
