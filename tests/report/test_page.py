"""The page: complete, self-contained, and safe whatever the names in it are."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import pytest

from leakbench.core.results import Curve, ExposedRecord, Flag, Row
from leakbench.evaluation.flags import KINDS
from leakbench.report.flag_groups import GROUPS, flag_groups
from leakbench.report.page import MOST_NOTES, _beyond, render
from leakbench.report.results import Results
from leakbench.report.tables.tables import MOST_LINES, glance, leakage, terminal_table
from leakbench.report.view import View

from . import example

SECTIONS = ["summary", "findings", "officer", "flags", "tradeoff", "roc", "leakage-section", "utility-section",
            "cost-section", "slices-section", "records", "protocol", "methods", "provenance", "glossary"]  # fmt: skip


class Page(HTMLParser):
    """Every tag with its attributes, and every text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.texts.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    @property
    def links(self) -> list[str | None]:
        """Those of the contents: the first leads past them, the third is in the first paragraph."""
        hrefs = [a["href"] for a in self.all("a")]
        return [href for k, href in enumerate(hrefs) if k and href not in hrefs[1:k]]

    @property
    def plots(self) -> list[str]:
        """What the figures of the sections tell to those who do not see them."""
        return [str(a["aria-label"]) for a in self.all("svg") if a.get("role") == "img"]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def run() -> str:
    return example.page("run")


@pytest.fixture(scope="module")
def page(run: str) -> Page:
    return Page(run)


def test_every_section_is_there_and_linked(page: Page) -> None:
    assert [a["id"] for a in page.all("section")] == SECTIONS
    assert page.links == [f"#{name}" for name in SECTIONS]
    assert len(page.all("h1")) == 1


def test_a_study_of_20000_rows_stays_small_and_says_what_it_leaves_out(run: str, page: Page) -> None:
    assert len(example.run().rows) > 19_000
    assert len(run.encode()) < 2_500_000
    table = leakage(View(example.run()))
    assert len(table.lines) == MOST_LINES < MOST_LINES + table.left_out
    assert f"{table.left_out:,} rows of single attacks on slices are only in results.parquet" in page.text


def test_what_matters_most_is_never_left_out() -> None:
    table = leakage(View(example.run()))
    names = [tuple(cell.text for cell in line[:4]) for line in table.lines]
    assert len(set(names)) == len(names)
    whole = [n for n in names if n[3] == "all records"]
    cases = 2 * len(example.DEFENCES) - 1  # the undefended model has no non-adaptive attacker
    assert len(whole) == cases * (len(example.ATTACKS) + 1)
    assert sum(n[1] == "best" for n in names) == cases


def test_nothing_is_loaded_from_anywhere(run: str, page: Page) -> None:
    loads = [
        a.get(key) or ""
        for _, a in page.tags
        for key in ("src", "href", "xlink:href", "action", "data", "poster")
    ]
    assert all(value == "" or value.startswith(("#", "data:image/")) for value in loads)
    assert not page.all("link")
    assert not re.search(r"https?://|@import|url\((?!#)", run)


def test_tables_are_accessible(page: Page) -> None:
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in a for a in page.all("th"))
    assert all(a.get("alt") for a in page.all("img"))
    assert len(page.plots) == 2 + 2 * len(example.DEFENCES)
    assert all(page.plots)
    (forest,) = [a for a in page.all("div") if a.get("role") == "img"]
    assert "label_smoothing: adaptive 2.44 % [2.20, 2.71], non-adaptive 1.41 %" in str(forest["aria-label"])
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_figures_tell_their_numbers_to_those_who_do_not_see_them(page: Page) -> None:
    told = page.plots
    assert "early_stopping, adaptive attack: accuracy 94.1 % [93.5, 94.7], TPR 0.32 % [0.24, 0.42]" in told[0]


def test_flags_of_the_same_kind_are_told_once(page: Page) -> None:
    assert page.text.count("The attacker ignored the defence") == 1
    assert "label_smoothing, early_stopping, weight_decay, temperature" in page.text


def test_a_flag_in_many_places_names_some_and_counts_the_rest() -> None:
    flags = [Flag("F09", "Ties", "the scores tie", f"d{k}", "loss") for k in range(9)]
    flags += [Flag("F09", "Ties", f"another case {k}", "d0", "loss") for k in range(9)]
    text = Page(render(Results("run", "x", [], flags=flags))).text
    assert (
        "the scores tie loss on d0, loss on d1, loss on d2, loss on d3, loss on d4, loss on d5 and 3 more"
        in text
    )
    assert "another case 8" in text
    assert text.count("Ties") == 1


def test_the_flags_that_weigh_most_come_first_and_every_kind_has_its_place() -> None:
    assert {code for codes in GROUPS.values() for code in codes} == {kind.code for kind in KINDS}
    flags = [Flag(code, code, "x") for code in ("F01", "F09", "F99", "F17", "F19", "F09")]
    groups = flag_groups(Results("run", "x", [], flags=flags))
    assert [kind.code for _, kinds in groups for kind in kinds] == ["F17", "F19", "F09", "F01", "F99"]
    assert groups[0][0] == "Numbers can be wrong"


def test_a_kind_of_flag_that_was_raised_41_times_is_shown_once_with_a_list() -> None:
    page = Page(example.page("small"))
    assert page.text.count("Tied scores") == 1
    assert "40 more" in page.text and "scores tie: 40" in page.text


def test_56_defences_stay_small_and_readable() -> None:
    results = example.shielded()
    names = sorted({r.defence for r in results.rows})
    copies = [
        replace(r, defence=f"{r.defence}.{k}") for r in results.rows for k in range(3) if r.defence != "none"
    ]
    curves = [replace(c, defence=f"{c.defence}.{k}") for c in results.curves for k in range(3)]
    many = replace(results, rows=[*results.rows, *copies], curves=[*results.curves, *curves])
    text = render(many)
    assert len(View(many).defences) == 56 == 4 * len(names)
    assert len(text.encode()) < 3_000_000
    assert "Drawn are 12 of 56 defences" in Page(text).text


def test_provenance_study_and_notes_are_shown(page: Page) -> None:
    for text in ("b1946ac92492d2347c6235b4d2611184", "versions.numpy", 'name = "random_half"', "epsilon = 0.1",
                 "boundary_distance: needs the model itself"):  # fmt: skip
        assert text in page.text


def test_hostile_names_stay_text() -> None:
    text = example.page("hostile")
    page = Page(text)
    data, _ = page.all("script")
    assert data["type"] == "application/json"
    assert text.count("<script") == text.count("</script") == 2
    assert not page.all("img")
    assert not [a for _, a in page.tags if any(key.startswith("on") for key in a)]
    assert all(str(a["href"]).startswith("#") for a in page.all("a"))
    assert text.count("</svg>") == len(page.all("svg")) > 0
    assert page.text.count("<script>document.title='owned'</script>") > 20


@pytest.mark.parametrize("uri", [
    "javascript:alert(1)", "http://example.org/x.png", "data:image/svg+xml;base64,AAAA", "data:text/html;base64,AAAA",
    'data:image/png;base64,AA" onerror="alert(1)', "data:image/png;base64,AAAA\n", "",
])  # fmt: skip
def test_only_images_are_images(uri: str) -> None:
    record = ExposedRecord("none", 1, "cat", 1.0, None, uri)
    assert not Page(render(Results("audit", "x", [], records=[record]))).all("img")


def test_images_have_a_limit() -> None:
    huge = "data:image/png;base64," + "A" * 700_000
    records = [ExposedRecord("none", k, None, 1.0, None, huge) for k in range(5)]
    text = render(Results("audit", "x", [], records=records))
    assert len(Page(text).all("img")) == 2
    assert len(text) < 5_000_000


def test_empty_results_are_a_page() -> None:
    page = Page(render(Results("run", "", [])))
    assert "No attack was measured." in page.text
    assert not page.all("table")
    assert not page.plots


def test_a_single_defence_has_no_trade_off() -> None:
    results = example.run()
    alone = replace(results, rows=[r for r in results.rows if r.defence == "none"],
                    curves=[c for c in results.curves if c.defence == "none"])  # fmt: skip
    page = Page(render(alone))
    assert "tradeoff" not in [a["id"] for a in page.all("section")]
    assert len(page.plots) == 2


def test_holes_in_curves_and_rows_are_left_blank() -> None:
    nan = float("nan")
    rows = [
        *example.gaussian(1.0, 5000, attack="loss"),
        Row("auc", nan, nan, nan, 5, 5, "gap"),
        Row("auc", nan, attack="loss", slice="class=1"),
        Row("auc", 0.6, attack="loss", slice="class=2"),
    ]
    curve = Curve("none", "loss", None, [0.0, 0.1, nan, 1.0], [0.0, nan, 0.5, 1.0], [nan] * 4, [nan] * 4)
    record = ExposedRecord("none", 3, None, nan, nan)
    results = Results("audit", "x", rows, [curve], records=[record])
    for each in (results, Results.from_dict(results.to_dict())):
        text = render(each)
        assert not re.search(r"\bnan\b", Page(text).text, re.I)
        assert "None" not in Page(text).text


def test_other_scripts_and_odd_characters_are_drawn() -> None:
    rows = [Row("accuracy", 0.9, defence=d) for d in ("防御", "$x^2$")]
    rows += [
        r
        for d in ("防御", "$x^2$")
        for r in example.gaussian(1, 5000, defence=d, attack="攻撃", adaptive=True)
    ]
    curves = [example.curve("防御", "攻撃", True, 1.0, 5000)]
    text = render(Results("run", "題\udc80", rows, curves))
    assert text.count("攻撃") > 3
    assert "$x^2$" in text


def test_per_target_numbers_are_left_to_the_file_where_pooled_ones_exist() -> None:
    rows = list(example.gaussian(1.0, 5000, attack="loss"))
    single = [replace(r, target=str(k)) for k in range(3) for r in rows]
    page = Page(render(Results("audit", "x", rows + single)))
    assert f"{len(single)} numbers of single targets" in page.text
    assert len(leakage(View(Results("audit", "x", rows + single))).lines) == 1
    assert len(leakage(View(Results("audit", "x", single))).lines) == 3


def test_few_records_are_greyed() -> None:
    table = leakage(View(example.audit(9_900)))
    titles = [column.title for column in table.columns]
    line = next(line for line in table.lines if line[0].text == "lira" and line[1].text == "all records")
    assert line[titles.index("TPR at 0.1 % FPR")].thin  # 9.9 expected false positives
    assert not line[titles.index("TPR at 1 % FPR")].thin
    assert not line[titles.index("AUC")].thin


def test_many_notes_are_cut_and_counted() -> None:
    text = Page(render(Results("audit", "x", [], notes=[f"note {k}" for k in range(MOST_NOTES + 7)]))).text
    assert f"note {MOST_NOTES - 1}" in text
    assert "7 more in report.json" in text


def printed(results: Results, width: int = 80) -> str:
    from rich.console import Console

    console = Console(file=StringIO(), width=width)
    console.print(terminal_table(View(results)))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_terminal_shows_a_line_a_defence_in_80_columns() -> None:
    text = printed(example.run())
    for name in example.DEFENCES:
        assert re.search(rf"^{name} .*×", text, re.M)
    lines = [line.strip() for line in text.splitlines()]
    assert [line for line in lines if line in ("weak", "clear", "severe")] == [
        "severe", "severe", "weak", "clear", "severe",
    ]  # fmt: skip
    assert "93.5–94.7" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_terminal_shows_a_line_an_attack_for_an_audit_strongest_first() -> None:
    names = [line[0].text for line in glance(View(example.audit())).lines]
    assert names[:3] == ["best", "rmia", "lira"]
    assert names[-1] == "gap"
    assert set(names) == {"best", *example.ATTACKS}
    assert "logistic_regression" in printed(example.audit())


def test_markup_in_names_is_not_obeyed_by_the_terminal() -> None:
    rows = list(example.gaussian(1.0, 5000, attack="[bold]x[/red]"))
    assert "[bold]x[/red]" in printed(Results("audit", "x", rows))


def test_every_slice_has_a_roc_of_its_own() -> None:
    results = example.audit()
    rows = [r for r in results.rows if (r.attack, r.metric) == ("rmia", "auc") and r.slice != "worst"]
    parts = [
        replace(example.curve("none", "rmia", None, 1.0, 1000), slice=r.slice)
        for r in rows
        if r.slice != "all"
    ]
    others = [replace(c, attack="gap") for c in parts]  # not the strongest: left out
    drawn = replace(results, curves=[*results.curves, *parts, *others])
    told = Page(render(drawn)).plots
    small = [text for text in told if text.startswith("ROC of rmia on none, ")]
    assert small[0].startswith("ROC of rmia on none, class 0: AUC 0.")
    assert len(small) == len(parts) == len(example.SLICES) - 1
    plain = Page(render(results))
    assert not any("ROC of rmia on none, " in str(a) for a in plain.all("svg"))


def test_the_summary_does_not_repeat_the_headline():
    results = example.audit()
    page = " ".join(Page(render(results)).texts)
    assert page.replace("\N{NO-BREAK SPACE}", " ").count(results.verdict.text) == 1
    assert _beyond("A leaks. B is .5.", ["A leaks. It has .61 (.5 to .7). C.", "D."]) == [
        "It has .61 (.5 to .7). C.",
        "D.",
    ]
    assert _beyond("A leaks.", ["A leaks.", "D."]) == ["D."]
    assert _beyond("A leaks.", ["B leaks."]) == ["B leaks."]
