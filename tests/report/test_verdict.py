"""The verdict, the paragraphs and the tables make the same claims, whatever the results hold."""

import itertools
import json
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakbench.core.results import Flag, Row
from leakbench.report.comparison import LESS, MIXED, MORE, UNTOLD, changes, comparisons
from leakbench.report.grades import LIMITS, Grade, grade, lower_end
from leakbench.report.results import Results
from leakbench.report.tables.matched import matched
from leakbench.report.tables.tables import glance
from leakbench.report.verdict import (
    NONE_WORTH_IT,
    OF_THOSE_WORTH_IT,
    all_of,
    beside_baseline,
    capitalised,
    main_standings,
    verdict,
)
from leakbench.report.view import View
from leakbench.report.wording import BESIDE, CHANGES, summary

TPR = "tpr@fpr=0.01"
DEFENCES = ("none", "prune", "smooth", "stop-2")


def anything(seed: int) -> Results:
    """Results of random rows, of which any may be missing or without an interval."""
    rng = random.Random(seed)

    def row(metric, low, high, **of):
        value = rng.uniform(low, high)
        below, above = (
            rng.choice([None, float("nan"), *[rng.uniform(0.0, 0.2) for _ in range(6)]]) for _ in "ab"
        )
        return Row(
            metric,
            value,
            below if below is None else value - below,
            above if above is None else value + above,
            **of,
        )

    def some(*choices):
        return rng.sample(choices, rng.randint(0, len(choices)))

    defences, rows = some(*DEFENCES), []
    for defence in defences:
        for attack, adaptive in itertools.product(
            some("best", "gap", "lira", "blind"), some(True, False, None)
        ):
            of = {
                "defence": defence,
                "attack": attack,
                "adaptive": adaptive,
                "n_members": 9000,
                "n_nonmembers": 9000,
            }
            low = 0.3 if attack == "blind" else 0.0
            rows += [row(metric, low, 0.5 if low else 1.0, **of) for metric in some("auc", TPR)]
    for defence in some(*DEFENCES[1:]):
        baseline = rng.choice(["none", "stop-2", "gone"])  # a study has one for each defence
        for attack, against in itertools.product(("best", "lira"), some(None, baseline)):
            of = {"defence": defence, "attack": attack, "adaptive": True, "against": against}
            rows += [row(f"{metric}-difference", -0.3, 0.3, **of) for metric in some("auc", TPR)]
        if rng.random() < 0.5:
            rows.append(row("accuracy_difference", -0.2, 0.2, defence=defence, against=baseline))
    rows += [row("accuracy", 0.0, 1.0, defence=d) for d in some(*DEFENCES)]
    flags = [Flag("F17", "t", "m")] if rng.random() < 0.1 else []
    return Results(rng.choice(["run", "run", "run", "audit"]), "x", rows, flags=flags)


def column(table, title):
    """The cells of a column by the first cell of their line."""
    place = [c.title for c in table.columns].index(title)
    return {line[0].text: line[place].text for line in table.lines}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32).map(anything))
def test_head_paragraphs_and_tables_agree(results):
    view = View(results)
    head, told, mains = verdict(view), summary(view), main_standings(view)
    graded = {g.defence: g.grade for g in head.grades}
    if results.kind == "run":
        shown = column(glance(view), "Evidence")
        assert {d: g for d, g in shown.items() if g != "–"} == graded
    if not mains or view.void:
        assert not graded and len(told) == 1
        assert not mains or ("no grade is given" in head.text and "no grade is given" in told[0])
        return
    assert set(graded) == set(mains)
    if len(mains) == 1:
        first = next(iter(mains.values()))
        assert head.text.lower().startswith(first.grade.words) and told[0].startswith(head.text[:-1])
        return
    highest = max(mains.values(), key=lambda standing: standing.grade)
    if "none" not in mains:
        assert highest.grade.words in head.text.lower()
        return
    words = f"{capitalised(mains['none'].grade.words)} without a defence"
    assert head.text.startswith(words) and told[0].startswith(words)
    higher = f"The highest grade is {highest.grade.words} with {highest.defence}" in head.text
    assert higher == (highest.grade > mains["none"].grade)
    agree_on_no_defence(view, head.text, " ".join(told))
    agree_on_baselines(view, head.text, " ".join(told))


def agree_on_no_defence(view, head, told):
    verdicts = {d: c.verdict for d, c in changes(view).items()}
    for defence, found in verdicts.items():
        assert [v for v, words in CHANGES.items() if f"{defence} {words}:" in told] == [found]
    more = [d for d, v in verdicts.items() if v == MORE]
    assert (f"{all_of(more, 'leaks more than no defence')}." if more else "") in head
    assert ("more than no defence" in head) == bool(more)
    less = {d for d, v in verdicts.items() if v == LESS and d not in view.baselines}
    best = re.findall(r"(\S+) reduces leakage most", head)
    assert set(best) <= less and len(best) == bool(less)
    assert ("is shown to leak less than no defence" in head) is not bool(less)


def agree_on_baselines(view, head, told):
    verdicts = column(matched(view), "Verdict")
    for each in (LESS, MORE, MIXED, UNTOLD):
        names = [d for d, found in verdicts.items() if found == each]
        assert not names or beside_baseline(names, BESIDE[each]) in told
    less = {d for d, found in verdicts.items() if found == LESS}
    assert (NONE_WORTH_IT in head) == bool(verdicts and not less)
    if OF_THOSE_WORTH_IT in head:
        assert head.split(OF_THOSE_WORTH_IT)[1].split()[0] in less


def audit_of(*rows: Row, **more: object) -> View:
    return View(Results("audit", "x", list(rows), **more))


def auc(lo: float, attack: str = "loss", half: float = 0.01, **of: object) -> Row:
    return Row("auc", lo + half, lo, lo + 2 * half, 9000, 9000, attack, chance=0.5, **of)


def tpr(lo: float, attack: str = "loss") -> Row:
    return Row(TPR, lo + 0.001, lo, lo + 0.002, 9000, 9000, attack, chance=0.01)


@pytest.mark.parametrize("limited", LIMITS)
def test_a_grade_begins_above_its_limit(limited):
    below = Grade(limited - 1)
    for row, limit in ((auc, LIMITS[limited].auc), (tpr, LIMITS[limited].times_fpr * 0.01)):
        assert (grade(row(limit)), grade(row(limit + 1e-9))) == (below, limited)
        assert (
            grade(replace(row(limit + 1e-9), lo=None))
            == grade(replace(row(0.9), lo=float("nan")))
            == Grade.NONE
        )
    assert grade(Row("tpr@fpr=0", 0.5, 0.4, 0.6)) == grade(Row("advantage", 0.5, 0.4, 0.6)) == Grade.NONE


def test_the_grade_is_the_higher_one_of_auc_and_tpr_and_names_its_number():
    for auc_lo, tpr_lo, expected in (
        (0.51, 0.15, ("severe", TPR, 0.15)),
        (0.76, 0.015, ("severe", "auc", 0.76)),
        (0.61, 0.031, ("clear", TPR, 0.031)),
        (0.61, 0.015, ("clear", "auc", 0.61)),
        (0.49, 0.009, ("no evidence", TPR, 0.009)),
    ):
        (found,) = verdict(audit_of(auc(auc_lo), tpr(tpr_lo))).grades
        assert (found.grade, found.metric, found.lo) == expected


def test_many_attacks_on_the_same_records_need_more_to_be_evidence():
    """Of 40 attacks at chance the highest lies above it by its own interval; the one chosen on other data need not."""
    many = [auc(0.45 + 0.001 * k, f"attack{k}", half=0.02) for k in range(40)] + [auc(0.501, half=0.02)]
    assert verdict(audit_of(many[-1])).grades[0].grade == "weak"
    assert verdict(audit_of(*many)).grades[0].grade == "no evidence"
    chosen = auc(0.501, "best", half=0.02, selected="loss")
    assert verdict(audit_of(*many, chosen)).grades[0].grade == "weak"
    assert lower_end(many[-1]) == pytest.approx(0.501)
    assert lower_end(many[-1], 40) == pytest.approx(0.521 - 0.02 * 3.2272 / 1.95996, abs=1e-4)


def test_the_attack_with_the_highest_grade_counts_where_none_was_chosen():
    rows = [auc(0.52, "lira"), tpr(0.02, "lira"), auc(0.7), tpr(0.019)]
    (found,) = verdict(audit_of(*rows)).grades
    assert (found.grade, found.attack) == ("clear", "loss")


def test_an_auc_does_not_compete_with_a_tpr():
    view = audit_of(auc(0.49, "gap"), auc(0.49), tpr(0.02))
    assert view.standings["none"][0].attack == "loss"


def test_leakage_from_the_accuracy_gap_alone_is_called_that():
    gap, loss = auc(0.515, "gap"), auc(0.518)
    for rows, alone in (
        ([gap], True),
        ([gap, loss], True),
        ([gap, auc(0.56)], False),  # finds more than the gap
        ([gap, loss, tpr(0.02)], False),  # a low false-positive rate is out of reach for labels
        ([auc(0.49, "gap"), auc(0.515)], False),  # no gap
    ):
        head = verdict(audit_of(*rows))
        assert head.grades[0].gap_only is alone
        assert (
            "from the accuracy gap alone: members are classified correctly more often" in head.text
        ) is alone
        assert head.text.startswith("Weak evidence of leakage" if head.grades[0].grade == "weak" else "Clear")


def test_the_gap_attack_is_known_under_any_label():
    methods = [{"kind": "attack", "name": "gap", "label": "right"}]
    assert verdict(audit_of(auc(0.515, "right"), methods=methods)).grades[0].gap_only
    assert not verdict(audit_of(auc(0.515, "right"))).grades[0].gap_only


def test_no_grade_where_members_and_non_members_differ_by_themselves():
    strong = auc(0.9)
    for rows, flags in (([strong, auc(0.55, "blind")], []), ([strong], [Flag("F17", "t", "m")])):
        view = audit_of(*rows, flags=flags)
        assert verdict(view).text.startswith("Members and non-members differ by themselves")
        assert verdict(view).text.endswith("so no grade is given.") and verdict(view).grades == []
        assert summary(view) == [verdict(view).text]
    assert "AUC of 0.560 (95 % CI 0.550–0.570)" in verdict(audit_of(strong, auc(0.55, "blind"))).text


def test_the_blind_attack_is_never_the_strongest():
    weak, blind = auc(0.52), replace(auc(0.5, "blind", half=0.2))
    view = audit_of(weak, blind)
    (found,) = verdict(view).grades
    assert found.attack == view.standings["none"][0].attack == "loss"
    assert "the one attack run" in summary(audit_of(auc(0.45), auc(0.4, "blind")))[-2]


def test_a_non_adaptive_attack_is_called_that_and_counts():
    rows = [auc(0.45, defence="a", adaptive=True), auc(0.62, defence="a", adaptive=False)]
    head = verdict(View(Results("run", "x", rows)))
    assert head.text.startswith("Clear evidence of leakage: the non-adaptive attack loss has an AUC of 0.63")
    assert head.grades[0].adaptive is False
    assert verdict(View(Results("run", "x", rows[:1]))).grades[0].grade == "no evidence"


def test_a_baseline_that_is_no_defence_is_judged_alike_in_both_places():
    rows = [auc(0.6, defence=d, adaptive=True) for d in ("none", "a")]
    low = [Row(TPR, 0.05, 0.04, 0.06, 9000, 9000, "loss", defence=d, adaptive=True) for d in ("none", "a")]
    of = {"attack": "loss", "defence": "a", "adaptive": True}
    for auc_ends, tpr_ends in (
        ((-0.03, -0.01), (-0.01, 0.01)),
        ((-0.01, 0.01), (0.01, 0.03)),
        ((-0.03, -0.01), (0.01, 0.03)),
    ):
        changed = [Row("auc-difference", sum(auc_ends) / 2, *auc_ends, **of)]
        changed += [Row(f"{TPR}-difference", sum(tpr_ends) / 2, *tpr_ends, **of)]
        view = View(
            Results("run", "x", [*rows, *low, *changed, *(replace(r, against="none") for r in changed)])
        )
        (beside,) = comparisons(view)
        assert beside.verdict == changes(view)["a"].verdict != UNTOLD


def test_a_defence_worth_its_accuracy_but_not_shown_to_beat_none_is_named():
    """What the head says of all defences is drawn from all of them, not from those that beat no defence."""
    rows = [auc(0.6, defence=d, adaptive=True) for d in ("none", "a", "stop-2")]
    of = {"attack": "loss", "adaptive": True}
    rows += [Row("auc-difference", 0.0, -0.02, 0.02, defence="a", **of)]
    rows += [Row("auc-difference", -0.02, -0.03, -0.01, defence="a", against="stop-2", **of)]
    text = verdict(View(Results("run", "x", rows))).text
    assert "a leaks less than the baseline at its accuracy." in text and NONE_WORTH_IT not in text
    assert "No defence but the baselines is shown to leak less than no defence." in text


def test_the_verdict_is_written_and_follows_from_the_rows(tmp_path):
    results = Results("audit", "x", [auc(0.62), tpr(0.02)])
    results.save(tmp_path)
    plain = json.loads((tmp_path / "report.json").read_text())
    assert plain["verdict"]["text"] == results.verdict.text == Results.load(tmp_path).verdict.text
    (found,) = plain["verdict"]["grades"]
    assert (found["grade"], found["attack"], found["metric"], found["lo"]) == ("clear", "loss", "auc", 0.62)
    plain["verdict"] = {"text": "This model is safe."}
    (tmp_path / "report.json").write_text(json.dumps(plain))
    assert Results.load(tmp_path).verdict == results.verdict
