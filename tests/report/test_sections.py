"""What a study of generators, pruning and baselines adds to the page: each section where it has content."""

import math
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leakbench.core.results import Row
from leakbench.report.comparison import LESS, MIXED, MORE, UNTOLD, changes, comparisons
from leakbench.report.files import write
from leakbench.report.numbers import metric_title, show
from leakbench.report.page import render
from leakbench.report.results import Results
from leakbench.report.tables.cross import matrices
from leakbench.report.tables.matched import matched
from leakbench.report.tables.origin import generators, origins
from leakbench.report.tables.samples import distances
from leakbench.report.tables.sizes import layers, sizes
from leakbench.report.tables.tables import Table, glance, leakage, utility
from leakbench.report.verdict import verdict
from leakbench.report.view import View
from leakbench.report.wording import summary

from . import example
from .test_browser import CHROMIUM, drive
from .test_page import Page, printed

SECTIONS = [
    "summary", "findings", "officer", "tradeoff", "matched-section", "roc", "leakage-section", "cross-section",
    "origin-section", "samples-section", "utility-section", "cost-section", "sizes-section", "protocol", "methods",
    "provenance", "glossary",
]  # fmt: skip
ALWAYS = {"summary", "findings", "leakage-section", "protocol", "provenance", "glossary"}


@pytest.fixture(scope="module")
def view() -> View:
    return View(example.shielded())


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(example.page("shielded"))


def texts(table: Table, first: str) -> dict[str, str]:
    """Column to text of the line that starts with `first`."""
    line = next(line for line in table.lines if line[0].text == first)
    return {column.title: cell.text for column, cell in zip(table.columns, line, strict=True)}


def test_every_section_with_content_is_there_and_linked(page: Page) -> None:
    assert [a["id"] for a in page.all("section")] == SECTIONS
    assert page.links == [f"#{name}" for name in SECTIONS]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(a.get("alt") for a in page.all("img"))


@pytest.mark.parametrize(
    ("rows", "section"),
    [
        ([Row("epsilon", 1.0)], "utility-section"),
        ([Row("parameters", 1e6)], "sizes-section"),
        ([Row("auc", 0.6, attack="domias", slice="generator")], "origin-section"),
        ([Row("leakage_in_weights", 0.1, attack="loss", defence="a")], "origin-section"),
        ([Row("auc", 0.6, attack="loss", defence="a", adaptive=False, shadows="b")], "cross-section"),
        ([Row("auc-difference", 0.6, attack="loss", defence="a", against="b")], "matched-section"),
    ],
)
def test_a_section_appears_with_its_rows_alone(rows: list[Row], section: str) -> None:
    found = [a["id"] for a in Page(render(Results("run", "x", rows))).all("section")]
    assert [name for name in found if name != "officer"] == sorted(ALWAYS | {section}, key=SECTIONS.index)


def test_cross_rows_never_pass_for_those_of_the_usual_attackers(view: View) -> None:
    for adaptive, expected in ((True, 0.61), (False, 0.61 * 0.9)):
        row = view.row("auc", "synthshield-0.5", "rmia", adaptive)
        given = next(example.gaussian(expected, 20_000, attack="rmia"))
        assert row is not None
        assert row.value == pytest.approx(given.value)
    assert {r.shadows for r in view.leakage} == {None, "none"}
    assert "TPR at 0.1 % FPR, non-adaptive" in [column.title for column in glance(view).columns]


def test_the_attacker_column_names_the_shadow_models(view: View) -> None:
    table = leakage(view)
    named = {line[2].text for line in table.lines}
    assert {"adaptive", "non-adaptive", "shadows: synthshield-0.5"} <= named
    assert table.lines[-1][2].text.startswith("shadows: ")
    keys = [tuple(cell.text for cell in line[:4]) for line in table.lines]
    assert len(keys) == len(set(keys))


def test_the_matrix_holds_every_pair(view: View) -> None:
    made = {(m.attack, m.metric): m.table for m in matrices(view)}
    assert list(made) == [
        (a, m) for a in ("strongest attack", *example.STRONG) for m in ("AUC", "TPR at 0.1 % FPR")
    ]
    table = made["lira", "AUC"]
    assert [c.title for c in table.columns] == ["Victim", *example.CROSSED]
    lines = {line[0].text: dict(zip(example.CROSSED, line[1:], strict=True)) for line in table.lines}
    for victim, shadows, where in (
        ("synthshield-0.5", "dmp", {"adaptive": False, "shadows": "dmp"}),
        ("synthshield-0.5", "none", {"adaptive": False, "shadows": "none"}),
        ("synthshield-0.5", "synthshield-0.5", {"adaptive": True}),
        ("none", "dmp", {"adaptive": False, "shadows": "dmp"}),
    ):
        (row,) = view.results.find(metric="auc", attack="lira", slice="all", defence=victim, **where)
        assert lines[victim][shadows].order == row.value
        assert lines[victim][shadows].marked is (victim == shadows)
    heats = [c.heat for line in lines.values() for c in line.values() if c.heat is not None]
    assert max(heats) == 1.0
    assert len(heats) == len(example.CROSSED) ** 2


def test_without_a_best_row_the_strongest_of_a_pair_is_its_highest() -> None:
    rows = [
        Row("auc", value, attack=attack, defence="a", adaptive=False, shadows="b")
        for attack, value in (("loss", 0.6), ("lira", 0.7))
    ]
    strongest = matrices(View(Results("run", "x", rows)))[0]
    assert strongest.attack == "strongest attack"
    assert strongest.table.lines[0][-1].order == 0.7


def test_at_matched_accuracy_both_sides_are_under_the_attack_strongest_on_the_defence(view: View) -> None:
    line = texts(matched(view), "synthshield-0.7")
    theirs = view.row("auc", "fewer_epochs-4", "rmia", True)
    change = view.results.find(
        metric="auc-difference", defence="synthshield-0.7", attack="rmia", against="fewer_epochs-4"
    )
    assert line["Baseline"] == "fewer_epochs-4"
    assert line["AUC, baseline"] == show(theirs).value
    assert line["AUC, change"] == show(change[0]).value == "+0.027"
    assert line["Accuracy, change"] == "−0.1 points"
    assert "TPR at 0.1 % FPR, change" in line
    assert line["Verdict"] == MORE
    assert change[0] not in view.rows


def beside(auc: tuple[float, float], tpr: tuple[float, float]) -> str:
    rows = list(example.gaussian(1.0, 20_000, attack="loss", defence="a", adaptive=True))
    rows += [
        Row(
            f"{metric}-difference",
            sum(ends) / 2,
            *ends,
            attack="loss",
            defence="a",
            adaptive=True,
            against="b",
        )
        for metric, ends in (("auc", auc), ("tpr@fpr=0.001", tpr))
    ]
    (found,) = comparisons(View(Results("run", "x", rows)))
    return found.verdict


@pytest.mark.parametrize(
    ("auc", "tpr", "told"),
    [
        ((-0.02, -0.01), (-0.01, 0.01), LESS),
        ((-0.02, 0.01), (-0.02, -0.01), LESS),
        ((0.01, 0.02), (0.01, 0.02), MORE),
        ((-0.01, 0.01), (-0.01, 0.01), UNTOLD),
        ((-0.02, -0.01), (0.01, 0.02), MIXED),
    ],
)
def test_only_intervals_that_leave_zero_out_decide(
    auc: tuple[float, float], tpr: tuple[float, float], told: str
) -> None:
    assert beside(auc, tpr) == told


def test_what_is_less_accurate_is_said_to_be(view: View) -> None:
    lines = {line[0].text: line[2] for line in matched(view).lines}
    assert lines["label_smoothing"].note == lines["dmp"].note == "more accurate"
    assert lines["synthshield-0.5"].note == ""


def test_differences_from_baselines_do_not_pass_for_differences_from_no_defence(view: View) -> None:
    found = changes(view)
    assert {d: found[d].verdict for d in ("label_smoothing", "synthshield-0.5", "prune_finetune-0.5")} == {
        "label_smoothing": MORE, "synthshield-0.5": LESS, "prune_finetune-0.5": UNTOLD,
    }  # fmt: skip


def test_the_summary_of_many_defences_groups_them(view: View) -> None:
    told = summary(view)
    assert "label_smoothing leaks more than no defence." in told
    assert any(t.endswith("fewer_epochs-8 and fewer_epochs-16 leak less than no defence.") for t in told)
    (told_beside,) = (t for t in told if "the baseline at their accuracy" in t)
    assert (
        "synthshield-0.3 and synthshield-0.5 are not significantly different from the baseline" in told_beside
    )
    text = verdict(view).text
    assert text.startswith("Severe leakage without a defence: rmia finds 1.83 %")
    assert (
        "Of the defences that leak less than the baseline at their accuracy, dp_sgd-noisy reduces leakage most"
        in text
    )
    assert text.endswith("Compared with fewer_epochs-2, the baseline at its accuracy, it leaks less.")


def test_the_head_names_a_defence_that_is_worth_its_accuracy(view: View) -> None:
    """Not synthshield-0.7, which takes more off but leaks more than the baseline that is as accurate."""

    def told(*left_out: str) -> str:
        rows = [r for r in view.results.rows if r.defence not in left_out]
        return verdict(View(replace(view.results, rows=rows))).text

    one = told("dp_sgd-noisy")
    assert "at their accuracy, synthshield_public-0.5 reduces leakage most" in one
    none = told("dp_sgd-noisy", "synthshield_public-0.5")
    assert "No defence is shown to leak less than the baseline at its accuracy. synthshield-0.7" in none
    assert none.endswith("Compared with fewer_epochs-4, the baseline at its accuracy, it leaks more.")


def test_a_baseline_is_never_the_defence_that_reduces_leakage_most(view: View) -> None:
    rows = [r for r in view.results.rows if r.defence != "dp_sgd-noisy"]
    assert "fewer_epochs-2 reduces" not in verdict(View(replace(view.results, rows=rows))).text


def test_the_two_parts_of_the_leakage_are_those_of_the_strongest_attack(view: View) -> None:
    table = origins(view)
    parts = view.results.find(
        defence="synthshield-0.5", attack="rmia", detail={"twin": "synthshield_public-0.5"}
    )
    weights, generator = (show(r) for r in parts)
    assert texts(table, "synthshield-0.5") == {
        "Defence": "synthshield-0.5", "Twin": "synthshield_public-0.5", "AUC": "0.667",
        "From the generator": generator.value, "In the weights": weights.value,
    }  # fmt: skip
    assert (generator.value, weights.value) == ("+0.037", "+0.130")
    assert len(table.lines) == 1


def test_attacks_on_the_generator_are_no_attacks_on_the_model(view: View) -> None:
    assert [line[1].text for line in generators(view).lines] == ["domias", "nearest_neighbour"]
    assert texts(generators(view), "synthshield-0.5")["AUC"] == "0.664"
    assert "domias" not in view.attacks
    assert "domias" not in {line[1].text for line in leakage(view).lines}


def test_epsilon_is_shown_wherever_a_defence_has_one(view: View) -> None:
    for table in (glance(view), utility(view)):
        assert texts(table, "dp_sgd-noisy")["ε"] == "2.97"
        assert texts(table, "dmp")["ε"] == "∞"
        assert texts(table, "none")["ε"] == "–"
    again = View(Results.from_dict(view.results.to_dict()))  # JSON has no word for infinite
    assert texts(glance(again), "dmp")["ε"] == "∞"
    assert "ε" not in [column.title for column in glance(View(example.run())).columns]


def test_an_infinite_epsilon_sorts_as_the_largest(view: View) -> None:
    found = {line[0].text: line[-1].order for line in utility(view).lines}
    assert found["dmp"] is not None
    assert math.isfinite(found["dmp"])
    assert found["dmp"] > 1e300


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (Row("parameters", 1_234_567.0, 1_234_567.0, 1_234_567.0), "1.23 M"),
        (Row("nonzero_parameters", 4_810.0, 4_800.0, 4_820.0), "4.810 k [4.800, 4.820]"),
        (Row("multiply_adds", 812.0), "812"),
        (Row("bytes_on_disk", 4_950_112.0, unit="B"), "4.95 MB"),
        (Row("bytes_on_disk", 100.0, unit="B"), "100 B"),
        (Row("sparsity", 0.6, 0.6, 0.6), "60.0 %"),
        (Row("accuracy_difference", -0.012, -0.02, -0.004), "−1.2 points [−2.0, −0.4]"),
        (Row("leakage_in_weights", 0.13, 0.12, 0.14), "+0.130 [+0.120, +0.140]"),
        (Row("epsilon", math.inf), "∞"),
        (Row("epsilon", 2.974), "2.97"),
    ],
)
def test_sizes_and_differences_read_as_people_write_them(row: Row, text: str) -> None:
    assert str(show(row)) == text


def test_sizes_have_a_table_of_their_own(view: View) -> None:
    assert [c.title for c in sizes(view).columns] == [
        "Defence", "Parameters", "Parameters not 0", "Multiply-adds", "Size on disk", "Sparsity",
    ]  # fmt: skip
    assert texts(sizes(view), "synthshield-0.7")["Sparsity"] == "70.0 %"
    assert metric_title("parameters") not in [c.title for c in utility(view).columns]


def test_layers_tell_what_is_left(view: View) -> None:
    found = {defence: (left, table) for defence, left, table in layers(view.results)}
    left, table = found["synthshield-0.5"]
    assert left == "613,010 of 1,205,530 weights left"
    assert [cell.text for cell in table.lines[1]] == ["conv2", "Conv2d", "4,608", "4,608", "2,304", "50.0 %"]


def test_samples_stand_beside_their_nearest_record(view: View, page: Page) -> None:
    assert len(page.all("img")) == 40
    assert page.all("img")[1]["alt"] == "The nearest training record, distance 1.37"
    assert texts(distances(view.results), "synthshield_tabdiff-0.5") == {
        "Defence": "synthshield_tabdiff-0.5", "Generator": "tabdiff", "Samples": "20", "Smallest": "0",
        "Median": "2.38", "Largest": "4.75",
    }  # fmt: skip


def test_the_file_and_the_table_hold_what_was_added(view: View, tmp_path: Path) -> None:
    folder = write(view.results, tmp_path).parent
    loaded = Results.load(folder)
    assert loaded.samples == view.results.samples
    assert loaded.layers == view.results.layers
    assert [r for r in loaded.rows if math.isfinite(r.value)] == [
        r for r in view.results.rows if math.isfinite(r.value)
    ]
    columns = pq.read_table(folder / "results.parquet").to_pydict()
    assert columns["shadows"] == [r.shadows for r in view.results.rows]
    assert columns["against"] == [r.against for r in view.results.rows]


def test_reports_from_before_samples_and_layers_can_be_read(view: View) -> None:
    plain = example.audit().to_dict()
    del plain["samples"], plain["layers"]
    assert Results.from_dict(plain) == example.audit()


def test_the_terminal_shows_the_same_columns_as_without(view: View) -> None:
    text = printed(view.results, 120)
    for word in ("ε", "shadows", "domias", "change"):
        assert word not in text
    assert all(name in text for name in example.SHIELDED)


LAYOUT = """
const wide = (e) => e.scrollWidth > e.clientWidth + 1;
const form = document.getElementById("switches");
const shown = () => [...document.querySelectorAll(".matrix[data-attack]")].filter((m) => m.offsetParent !== null)
  .map((m) => [m.dataset.attack, m.dataset.metric]);
document.querySelectorAll("details").forEach((d) => (d.open = true));
const before = shown();
const choose = (key, value) => {
  const select = form.querySelector(`select[data-key="${key}"]`);
  select.value = value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
};
choose("attack", "lira"); choose("metric", "TPR at 0.1 % FPR");
const heads = [...document.querySelectorAll("#matched thead th")];
heads.at(-3).querySelector("button").click();
const lines = [...document.querySelectorAll("#matched tbody tr")];
const order = lines.map((line) => Number(line.cells[heads.length - 3].dataset.v));
return { before, after: shown(), order, width: innerWidth, overflow: wide(document.documentElement) };
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize("width", [400, 1280])
def test_the_browser_shows_the_sections_within_its_width(width: int, tmp_path: Path) -> None:
    found = drive(example.page("shielded"), LAYOUT, tmp_path, width)
    assert isinstance(found, dict)
    assert found["width"] == width
    assert found["overflow"] is False
    assert found["before"] == [["strongest attack", "AUC"]]
    assert found["after"] == [["lira", "TPR at 0.1 % FPR"]]
    assert found["order"] == sorted(found["order"], reverse=True)
    assert len(found["order"]) == 9
