"""The sentences say what the rows say, and only under the conditions that they state."""

from dataclasses import replace

import pytest

from leakbench.core.results import Row
from leakbench.report.comparison import LESS, MORE, UNTOLD, below, changes
from leakbench.report.figures.roc import roc
from leakbench.report.numbers import metric_title, show, slice_title
from leakbench.report.results import Results
from leakbench.report.tables.tables import glance, leakage
from leakbench.report.verdict import verdict
from leakbench.report.view import View, expected_false_positives, is_thin
from leakbench.report.wording import summary

from . import example


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (Row("auc", 0.6061, 0.5912, 0.6203), "0.606 [0.591, 0.620]"),
        (Row("tpr@fpr=0.001", 0.129, 0.0982, 0.1639), "12.9 % [9.8, 16.4]"),
        (Row("tpr@fpr=0.001", 0.45, 0.33, 0.56), "45 % [33, 56]"),
        (Row("advantage", -0.012, -0.031, 0.008), "−0.012 [−0.031, 0.008]"),
        (Row("tpr@fpr=0.01-difference", -0.0151, -0.0191, -0.0112), "−1.51 points [−1.91, −1.12]"),
        (Row("auc-difference", 0.012, -0.001, 0.025), "+0.012 [−0.001, +0.025]"),
        (Row("train_cost_ratio", 1.24), "×1.24"),
        (Row("train_seconds", 3.118, unit="s"), "3.12 s"),
        (Row("train_seconds", 5400.0, unit="s"), "90.0 min"),
        (Row("latency_ms", 0.021, unit="ms"), "21.0 µs"),
        (Row("latency_ms", 2.1, 1.9, 2.3, unit="ms"), "2.10 ms [1.90, 2.30]"),
        (Row("memory", 12.0, unit="GiB"), "12.0 GiB"),
        (Row("auc", 0.5, 0.5, 0.5), "0.500 [0.500, 0.500]"),
        (Row("auc", 1.0, 0.98, 1.0), "1.000 [0.980, 1.000]"),
        (Row("tpr@fpr=0.1", 0.0, 0.0, 0.0004), "0.000 % [0.000, 0.040]"),
        (Row("auc", float("nan"), 0.1, 0.2), "–"),
        (Row("auc", 0.61, float("nan"), 0.7), "0.610"),
    ],
)  # fmt: skip
def test_numbers_read_as_people_write_them(row: Row, text: str) -> None:
    assert str(show(row)) == text


def test_a_missing_value_of_a_loaded_report_is_shown_as_missing() -> None:
    assert str(show(replace(Row("auc", 0.5), value=None))) == "–"  # type: ignore[arg-type]


def test_names_read_as_people_say_them() -> None:
    assert metric_title("tpr@fpr=0.001") == "TPR at 0.1 % FPR"
    assert metric_title("precision@fpr=0.01,prior=0.1") == "Precision at 1 % FPR, 10 % prior"
    assert metric_title("auc-difference") == "AUC, change"
    assert metric_title("train_seconds") == "Train time"
    assert slice_title("group:sex=f") == "sex = f"
    assert slice_title("class=3") == "class 3"


def test_leakage_is_told_with_its_rate_interval_and_chance() -> None:
    told = summary(View(example.audit()))
    grade = (
        "Clear evidence of leakage: rmia finds 7.7 % (95 % CI 7.0–8.5 %) of the members at a false-positive rate of"
        " 1 %; chance is 1 %."
    )
    assert (
        told[0]
        == f"{grade} The AUC of rmia is 0.738 (95 % CI 0.722–0.753). The accuracy is 91.2 % (95 % CI 90.4–92.0 %)."
    )
    assert verdict(View(example.audit())).text == grade


def test_no_evidence_comes_with_its_conditions() -> None:
    view = View(example.silent())
    told = " ".join(summary(view))
    assert verdict(view).text.startswith("No evidence of leakage: rmia finds 1.00 %")
    assert "The AUC of rmia is 0.500 (95 % CI 0.484–0.516), which is not shown to be more than chance" in told
    assert "no proof of safety. It covers the 12 attacks run on 5,000 members and 5,000 non-members" in told


def audit_of(*rows: Row) -> Results:
    return Results("audit", "small", list(rows))


def test_one_interval_above_chance_is_enough_to_say_so() -> None:
    tpr = Row("tpr@fpr=0.01", 0.012, 0.008, 0.017, 5000, 5000, "loss")
    for lo, leaking in ((0.497, False), (0.503, True)):
        view = View(audit_of(Row("auc", 0.51, lo, 0.523, 5000, 5000, "loss"), tpr))
        assert verdict(view).text.startswith("Weak evidence" if leaking else "No evidence")
        assert "loss finds 1.20 % (95 % CI 0.80–1.70 %)" in " ".join(summary(view))


def test_a_leak_that_the_chosen_attack_misses_is_not_called_none() -> None:
    best = Row("auc", 0.503, 0.491, 0.515, 2500, 2500, "best", selected="lira")
    others = [Row("auc", 0.505, 0.497, 0.513, 5000, 5000, f"attack{k}") for k in range(20)]
    for lo, leaking in ((0.511, True), (0.5035, False)):  # the latter not if it is one of 21
        gap = Row("auc", 0.517, lo, 1.034 - lo, 5000, 5000, "gap", chance=0.5)
        view = View(audit_of(best, *others, gap))
        assert verdict(view).text.startswith("Weak evidence" if leaking else "No evidence")
        assert (f"gap has an AUC of 0.517 (95 % CI {lo:.3f}" in summary(view)[0]) is leaking
        alone = View(audit_of(best, gap))
        assert verdict(alone).text.startswith("Weak evidence of leakage, from the accuracy gap alone")


def test_the_lowest_rate_is_the_lowest_that_the_non_members_resolve() -> None:
    for n, low in ((20_000, 0.001), (19_998, 0.01), (2_000, 0.01), (1_000, 0.1)):
        assert View(example.audit(n)).low_fpr == low  # the best counts one half of n
        assert View(audit_of(*example.gaussian(1.0, n // 2, attack="loss"))).low_fpr == low
    few = View(audit_of(*example.gaussian(1.0, 80, attack="loss")))
    assert few.low_fpr is None
    assert "an AUC of 0.76" in summary(few)[0]
    assert "too few non-members" in summary(few)[-1]


def test_the_strongest_attack_is_the_one_chosen_on_the_other_half() -> None:
    rows = [
        Row("auc", 0.9, 0.88, 0.92, 5000, 5000, "lucky"),
        Row("auc", 0.7, 0.68, 0.72, 2500, 2500, "best", selected="lira"),
    ]
    view = View(audit_of(*rows))
    assert view.standings["none"][0].attack_name == "lira"
    assert "chosen on one half" in summary(view)[1]
    alone = View(audit_of(rows[0], replace(rows[1], attack="lira")))
    assert alone.standings["none"][0].attack_name == "lucky"
    assert "the interval is not" in summary(alone)[1]


def test_a_strongest_attack_that_ignores_the_defence_is_named_and_drawn_so() -> None:
    results = example.run()
    undefended = {"adaptive": True, "shadows": "none"}
    rows = [
        replace(r, **undefended)
        if (r.attack, r.defence, r.adaptive) == ("best", "label_smoothing", True)
        else r
        for r in results.rows
    ]
    curve = next(c for c in results.curves if (c.defence, c.attack) == ("label_smoothing", "rmia"))
    other = replace(curve, adaptive=False)
    shown = replace(results, rows=rows, curves=[*results.curves, other])
    view = View(shown)
    standing = view.standings["label_smoothing"][0]
    assert (standing.attack_title, standing.drawn_as) == ("rmia, undefended shadows", ("rmia", False))
    assert view.standings["label_smoothing"][1].attack_title == "rmia"
    assert "by rmia, undefended shadows" in str(glance(view).lines)
    assert "rmia, undefended shadows" in roc(view, "label_smoothing")
    assert "undefended shadows" not in roc(View(results), "label_smoothing")
    lines = [
        line for line in leakage(view).lines if (line[0].text, line[1].text) == ("label_smoothing", "best")
    ]
    assert len(lines) == 2  # that of who knows the defence and that of who ignores it


def test_defences_are_judged_by_the_paired_difference() -> None:
    view = View(example.run())
    assert {d: c.verdict for d, c in changes(view).items()} == {
        "label_smoothing": MORE, "early_stopping": LESS, "weight_decay": LESS, "temperature": UNTOLD,
    }  # fmt: skip
    assert verdict(view).text == (
        "Severe leakage without a defence: rmia finds 1.83 % (95 % CI 1.62–2.06 %) of the members at a false-positive"
        " rate of 0.1 %; chance is 0.1 %."
        " label_smoothing leaks more than no defence."
        " early_stopping reduces leakage most: rmia finds 2.46 % of its members instead of 9.24 %, at a"
        " false-positive rate of 1 %. Weak evidence of leakage remains."
    )
    told = summary(view)
    assert any(t.startswith("temperature is not significantly different") for t in told)
    assert any(
        "a change of −6.8 points (95 % CI −7.4 to −6.2 points) in TPR at 1 % FPR under rmia" in t
        for t in told
    )


@pytest.mark.parametrize(
    ("lo", "hi", "judged"), [(-0.03, 0.001, 0), (-0.03, -0.001, -1), (0.001, 0.03, 1), (-0.001, 0.03, 0)]
)
def test_only_a_difference_whose_interval_leaves_zero_out_counts(lo: float, hi: float, judged: int) -> None:
    rows = [Row("auc", 0.7, 0.68, 0.72, attack="loss", defence=d, adaptive=True) for d in ("none", "prune")]
    paired = Row("auc-difference", (lo + hi) / 2, lo, hi, attack="loss", defence="prune", adaptive=True)
    found = changes(View(Results("run", "x", [*rows, paired])))["prune"]
    assert found.verdict == {-1: LESS, 0: UNTOLD, 1: MORE}[judged]


def test_without_paired_differences_only_intervals_that_are_apart_count() -> None:
    results = example.run()
    view = View(replace(results, rows=[r for r in results.rows if "difference" not in r.metric]))
    assert changes(view)["early_stopping"].verdict == LESS
    assert changes(view)["temperature"].verdict == UNTOLD
    assert "the strongest attack finds 0.32 % of its members instead of 1.83 %" in verdict(view).text


def test_a_non_adaptive_attack_that_misleads_is_named() -> None:
    misled = [t for t in summary(View(example.run())) if "look safer than it is" in t]
    assert len(misled) == 2
    assert "makes label_smoothing look" in misled[0]
    assert "makes temperature look" in misled[1]
    assert (
        ": 0.14 % (95 % CI 0.09–0.22 %) of members found, against 1.83 % (95 % CI 1.62–2.06 %)" in misled[1]
    )


def test_nothing_measured_is_said() -> None:
    view = View(Results("run", "empty", []))
    assert verdict(view).text == "No attack was measured."
    assert "say nothing about leakage" in summary(view)[0]


def test_expected_false_positives_are_those_of_the_non_members() -> None:
    row = Row("tpr@fpr=0.01", 0.2, 0.1, 0.3, n_members=50_000, n_nonmembers=500)
    assert expected_false_positives(row) == pytest.approx(5) and is_thin(row)
    assert not is_thin(replace(row, n_members=500, n_nonmembers=50_000))


def test_an_interval_lies_below_another_where_they_are_apart() -> None:
    low, high = Row("auc", 0.5, 0.4, 0.6), Row("auc", 0.7, 0.55, 0.8)
    assert not below(low, high) and not below(high, low)
    assert below(replace(low, hi=0.54), high) and not below(high, replace(low, hi=0.54))
