"""The section on canaries: a table, a figure, one sentence; and nothing else changes with them."""

from pathlib import Path

import pytest

from leakbench.core.results import BEST, Row
from leakbench.report.page import render
from leakbench.report.results import Results
from leakbench.report.view import View
from leakbench.report.worst_case import contrasts, finding, worst_case, worst_case_figure

from .test_browser import CHROMIUM, drive
from .test_page import Page

AVERAGE = {"none": 0.72, "hamp": 0.53, "selena": 0.6}
OWN = {"none": "mislabelled", "hamp": "mislabelled", "selena": "near_duplicate"}
CANARIES = {
    "none": {"mislabelled": 0.97, "near_duplicate": 0.95},
    "hamp": {"mislabelled": 0.91, "near_duplicate": 0.7},
    "selena": {"mislabelled": 0.62, "near_duplicate": 0.85},
}


def _rows(defence: str, part: str, auc: float, n: int, **about: object) -> list[Row]:
    of = {
        "defence": defence,
        "slice": part,
        "attack": BEST,
        "selected": "lira",
        "adaptive": True,
        "n_members": n,
    }
    of |= {"n_nonmembers": n, **about}
    return [
        Row(m, v, v - 0.02, v + 0.02, **of)
        for m, v in (("auc", auc), ("tpr@fpr=0.01", auc / 3), ("tpr@fpr=0.1", auc / 2))
    ]


@pytest.fixture(scope="module")
def results() -> Results:
    rows = [row for d, auc in AVERAGE.items() for row in _rows(d, "all", auc, 20_000)]
    for d, kinds in CANARIES.items():
        rows.append(Row("accuracy", 0.6, 0.58, 0.62, defence=d))
        for kind, auc in kinds.items():
            own = {"own_kind": kind == OWN[d]}
            rows += _rows(d, f"canary:{kind}", auc, 400, detail=own)
            rows += _rows(d, f"canary:{kind}", 0.99, 400, detail=own, adaptive=False, shadows="none")
    return Results("run", "worst", rows)


def test_each_defence_is_judged_by_its_own_kind_and_the_others_follow(results: Results) -> None:
    found = [(c.defence, c.part, c.own) for c in contrasts(View(results))]
    assert found == [
        ("none", "canary:mislabelled", True),
        ("none", "canary:near_duplicate", False),
        ("hamp", "canary:mislabelled", True),
        ("hamp", "canary:near_duplicate", False),
        ("selena", "canary:near_duplicate", True),
        ("selena", "canary:mislabelled", False),
    ]
    table = worst_case(View(results))
    assert [c.title for c in table.columns] == [
        "Defence", "Canaries", "Accuracy", "AUC, average", "AUC, canaries",
        "TPR at 10 % FPR, average", "TPR at 10 % FPR, canaries",
    ]  # fmt: skip
    hamp = [(cell.text, cell.note) for cell in table.lines[2]]
    assert hamp[:5] == [
        ("hamp", "by lira"), ("mislabelled", "it is judged by these"), ("60.0 %", "[58.0, 62.0]"),
        ("0.530", "[0.510, 0.550]"), ("0.910", "[0.890, 0.930]"),
    ]  # fmt: skip
    few = [r for r in results.rows if r.metric != "tpr@fpr=0.1"]
    thin = worst_case(View(Results("run", "x", few)))
    assert thin.columns[6].title == "TPR at 1 % FPR, canaries"  # four false positives behind it
    assert [line[6].thin for line in (table.lines[2], thin.lines[2])] == [False, True]


def test_one_sentence_names_where_an_average_hides_most(results: Results) -> None:
    said = finding(View(results))
    assert said == (
        "Under hamp, the strongest attack has AUC 0.530 (95 % CI 0.510–0.550) on average records and 0.910 (95 % CI "
        "0.890–0.930) on mislabelled canaries."
    )
    assert said in Page(render(results)).text


def test_where_canaries_leak_no_more_that_is_said(results: Results) -> None:
    rows = [r for r in results.rows if not r.slice.startswith("canary")]
    level = [row for d, auc in AVERAGE.items() for row in _rows(d, "canary:mislabelled", auc, 400)]
    assert finding(View(Results("run", "x", rows))) is None
    assert str(finding(View(Results("run", "x", [*rows, *level])))).startswith(
        "No model is shown to leak more"
    )


def test_no_other_part_of_the_page_counts_canaries(results: Results) -> None:
    plain = Results("run", "worst", [r for r in results.rows if not r.slice.startswith("canary")])
    with_them, without = View(results), View(plain)
    assert with_them.rows == without.rows and with_them.low_fpr == without.low_fpr
    assert results.verdict == plain.verdict
    assert {"id": "worst-case-section"} not in Page(render(plain)).all("section")


def test_the_figure_has_one_mark_a_defence(results: Results) -> None:
    drawn = str(worst_case_figure(View(results)))
    assert "hamp: average 0.530 [0.510, 0.550], canaries 0.910 [0.890, 0.930]" in drawn
    assert drawn.count("<title>") == drawn.count("AUC of average records 0.") == 3


def test_an_audit_has_one_model_and_no_judge() -> None:
    about = {"adaptive": None}
    rows = [
        *_rows("none", "all", 0.6, 2000, **about),
        *_rows("none", "canary:mislabelled", 0.9, 400, **about),
    ]
    view = View(Results("audit", "x", rows))
    assert str(finding(view)).startswith("The strongest attack has AUC 0.600")
    assert [c.title for c in worst_case(view).columns][:2] == ["Model", "Canaries"]
    assert worst_case(view).lines[0][0].text == "the model" and worst_case_figure(view) is None


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_the_table_sorts_and_the_slice_can_be_chosen(results: Results, tmp_path: Path) -> None:
    script = """
    const table = document.getElementById("worst-case");
    const heads = [...table.tHead.rows[0].cells];
    const column = heads.findIndex((h) => h.textContent === "AUC, canaries");
    heads[column].querySelector("button").click();
    const slices = [...document.querySelectorAll("#leakage-section option")].map((o) => o.textContent);
    return [[...table.tBodies[0].rows].map((r) => Number(r.cells[column].dataset.v)), slices];
    """
    values, slices = drive(render(results), script, tmp_path)
    assert values == sorted(values, reverse=values[0] > values[-1])
    assert "mislabelled canaries" in slices
