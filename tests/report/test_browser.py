"""The page in a real browser: no error, sorting and filters do what they say."""

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape, unescape
from pathlib import Path

import numpy as np
import pytest

from leakbench.core.results import Exposure, Row
from leakbench.report.page import render
from leakbench.report.results import Results
from leakbench.report.tables.latex import latex
from leakbench.report.tables.tables import headline
from leakbench.report.view import View

from . import example
from .test_page import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
]  # fmt: skip


def browse(page: Path, profile: Path) -> tuple[str, list[str]]:
    """The document after its scripts ran, and what they wrote to the console."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        *OPTIONS,
        "--dump-dom",
        "--virtual-time-budget=4000",
        f"--user-data-dir={profile}",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def framed(text: str, width: int) -> str:
    """A page that shows another one `width` pixels wide, narrower than a window can be, and takes its title."""
    script = "setInterval(() => { document.title = frames[0].document.title; }, 100);"
    frame = f'<iframe style="width: {width}px; height: 900px; border: 0" srcdoc="{escape(text)}"></iframe>'
    return f"<!doctype html><title></title>{frame}<script>{script}</script>"


def drive(page: str, script: str, folder: Path, width: int | None = None, library: str = "") -> object:
    """What `script` returns on a page, after a `library`.

    The page's policy forbids foreign scripts: it is opened for these two. They run when those of the page have run.
    """
    text = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", page)
    text = re.sub(r"<title>.*?</title>", "<title>waiting</title>", text, count=1, flags=re.S)
    probe = f"(async () => {{ {script} }})().then((found) => {{ document.title = JSON.stringify(found); }})"
    driven = folder / "driven.html"
    text = text.replace("</body>", f"<script>{library}</script><script>{probe}</script></body>")
    driven.write_text(text if width is None else framed(text, width))
    dom, console = browse(driven, folder / "profile")
    assert not [line for line in console if "Error" in line], console
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title is not None
    return json.loads(unescape(title[1]))


@pytest.mark.parametrize("name", ["audit", "hostile", "empty"])
def test_the_page_runs_without_a_word_on_the_console(name: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(example.page(name))
    dom, console = browse(page, tmp_path / "profile")
    assert console == []
    assert "<title>owned</title>" not in dom
    if name != "empty":
        assert '<thead><tr>\n<th scope="col"><button' in dom.replace("\r", "")


def test_a_foreign_style_would_not_apply(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(
        example.page("empty").replace(
            "</main>", "<style>body { color: red }</style><p style='color: red'></p></main>"
        )
    )
    assert sum("Content Security Policy" in line for line in browse(page, tmp_path / "profile")[1]) == 2


def test_a_foreign_script_would_not_run(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(
        example.page("audit").replace("</main>", "<script>document.title = 'owned'</script></main>")
    )
    dom, console = browse(page, tmp_path / "profile")
    assert "<title>owned</title>" not in dom
    assert any("Content Security Policy" in line for line in console)


LONG = """
document.querySelectorAll("details").forEach((d) => (d.open = true));
const lines = (p) => p.getBoundingClientRect().height / parseFloat(getComputedStyle(p).lineHeight);
const all = [...document.querySelectorAll("p, li, caption span, .lead")].filter((p) => !p.querySelector("p, li, img"));
return [all.length, all.filter((p) => lines(p) > 5.5).map((p) => p.textContent.trim())];
"""


@pytest.mark.parametrize("name", ["audit", "run", "shielded"])
def test_no_paragraph_is_longer_than_five_lines(name: str, tmp_path: Path) -> None:
    n, long = drive(example.page(name), LONG, tmp_path, width=1200)  # type: ignore[misc]
    assert n > 15 and not long


SORT = """
const table = document.getElementById("leakage");
const shown = (column) => [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[column]);
const heads = [...table.tHead.rows[0].cells];
const auc = heads.findIndex((h) => h.textContent === "AUC");
const click = (column) => {
  heads[column].querySelector("button").click();
  return heads[column].getAttribute("aria-sort");
};
const numbers = () => shown(auc).map((c) => Number(c.dataset.v));
return {
  down: [click(auc), numbers()], up: [click(auc), numbers()],
  names: [click(0), shown(0).map((c) => c.firstChild.textContent.trim())],
  cleared: heads[auc].hasAttribute("aria-sort"),
};
"""


def test_sorting_orders_numbers_and_names(tmp_path: Path) -> None:
    found = drive(example.page("audit"), SORT, tmp_path)
    assert isinstance(found, dict)
    values = sorted(
        float(f"{r.value:.6g}")
        for r in example.audit().rows
        if (r.metric, r.slice, r.target) == ("auc", "all", "all")
    )
    assert found["down"] == ["descending", values[::-1]]
    assert found["up"] == ["ascending", values]
    assert found["names"] == ["ascending", sorted(["best", *example.ATTACKS])]
    assert found["cleared"] is False


TOOLS = """
const table = document.getElementById("leakage");
const form = table.closest("details").querySelector("form");
table.closest("details").open = true;
const rows = () => [...table.tBodies[0].rows].filter((r) => !r.hidden)
  .map((r) => [...r.cells].slice(0, 4).map((c) => c.firstChild.textContent.trim()));
const said = () => form.querySelector("output").textContent;
const set = (control, value) => {
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
};
const choose = (column, text) => set(form.querySelector(`select[data-column="${column}"]`), text);
const first = [rows(), said()];
choose(0, "temperature"); choose(1, "lira"); choose(2, ""); choose(3, "class 3");
const chosen = [rows(), said()];
const head = [...table.tHead.rows[0].cells].find((h) => h.textContent === "AUC");
const before = head.offsetParent !== null;
[...form.querySelectorAll("[type=checkbox]")].find((b) => b.parentElement.textContent.trim() === "AUC").click();
const after = head.offsetParent !== null;
for (const column of [0, 1, 2, 3]) choose(column, "");
set(form.querySelector("[type=search]"), "LIRA_global class");
const searched = rows();
set(form.querySelector("[type=search]"), "no such thing");
return { first, chosen, before, after, searched, none: said() };
"""


def test_filters_and_search_show_what_was_asked_for_and_hide_columns(tmp_path: Path) -> None:
    found = drive(example.page("run"), TOOLS, tmp_path)
    assert isinstance(found, dict)
    rows, said = found["first"]
    assert said == "65 of 1,000 rows"
    assert len(rows) == 65
    assert {tuple(row[2:]) for row in rows} == {("adaptive", "all records")}
    rows, said = found["chosen"]
    assert rows == [["temperature", "lira", a, "class 3"] for a in ("adaptive", "non-adaptive")]
    assert said == "2 of 1,000 rows"
    assert (found["before"], found["after"]) == (True, False)
    assert {row[1] for row in found["searched"]} == {"lira_global"}
    assert found["searched"] and all(row[3].startswith("class ") for row in found["searched"])
    assert found["none"] == "0 of 1,000 rows"


def test_hostile_names_can_be_filtered_by(tmp_path: Path) -> None:
    rows = [
        r for k in range(20) for r in example.gaussian(1.0, 200, defence="d", attack="a", slice=f"class={k}")
    ]
    rows += example.gaussian(1.0, 200, defence="d", attack=example.HOSTILE)
    script = """
    const form = document.getElementById("leakage").closest("details").querySelector("form");
    const select = form.querySelector("select");
    select.value = select.options[1].value; select.dispatchEvent(new Event("input", { bubbles: true }));
    return [select.value, form.querySelector("output").textContent];
    """
    value, said = drive(render(Results("run", "x", rows)), script, tmp_path)  # type: ignore[misc]
    assert value in (example.HOSTILE, "a")
    assert not str(said).startswith("0 of")


SAVED = """
const saved = [];
const Real = Blob;
window.Blob = function (parts, options) { saved.push(parts.join("")); return new Real(parts, options); };
HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
const tables = [...document.querySelectorAll("table")];
const form = document.getElementById("headline").closest("section").querySelector("form");
form.querySelectorAll(".savers button").forEach((b) => b.click());
return [saved, tables.length, document.querySelectorAll(".savers").length];
"""


def test_every_table_is_saved_as_csv_and_latex_at_one_click(tmp_path: Path) -> None:
    saved, tables, savers = drive(example.page("run"), SAVED, tmp_path)  # type: ignore[misc]
    assert tables == savers > 5
    text, file, tex, tex_file = saved
    assert (file, tex_file) == ("headline.csv", "headline.tex")
    lines = list(csv.DictReader(text.splitlines()))
    view = View(example.run())
    assert [line["Defence"] for line in lines] == view.drawn_by_leakage
    row = view.standings["temperature"][0].auc
    (line,) = [line for line in lines if line["Defence"] == "temperature"]
    assert row is not None and row.lo is not None
    assert float(line["AUC"]) == pytest.approx(row.value, rel=1e-5)
    assert float(line["AUC, low"]) == pytest.approx(row.lo, rel=1e-4)
    assert tex == latex(headline(view)) + "\n"  # the script and Python write the same


def test_a_text_that_a_spreadsheet_would_compute_is_saved_as_text(tmp_path: Path) -> None:
    rows = [Row("accuracy", 0.5, 0.4, 0.6, defence=d) for d in ('=1+1"', "-5", "a,b")]
    script = SAVED.replace("headline", "utility")
    saved, *_ = drive(render(Results("run", "x", rows)), script, tmp_path)  # type: ignore[misc]
    assert [line[0] for line in csv.reader(saved[0].splitlines())][1:] == ["'=1+1\"", "-5", "a,b"]


OFFICER = """
const form = document.getElementById("ceiling");
const input = form.querySelector("input");
const ask = (value) => {
  input.value = value; input.dispatchEvent(new Event("input", { bubbles: true }));
  return [form.querySelector("output").textContent, document.querySelectorAll("#ceilings .meets").length];
};
return [form.hidden, input.value, ask("0.5"), ask("2.2"), ask("0.01")];
"""


def test_the_officer_gets_the_cheapest_defence_below_a_ceiling(tmp_path: Path) -> None:
    results = example.run()
    costs = {
        "none": 1.0,
        "label_smoothing": 1.0,
        "early_stopping": 1.2,
        "weight_decay": 1.1,
        "temperature": 1.0,
    }
    rows = [r for r in results.rows if r.metric != "train_cost_ratio"]
    rows += [Row("train_cost_ratio", v, v, v, defence=d, unit="x") for d, v in costs.items()]
    hidden, start, low, high, never = drive(  # type: ignore[misc]
        render(replace(results, rows=rows)), OFFICER, tmp_path
    )
    assert not hidden and float(start) == pytest.approx(0.3)  # three times the FPR of 0.1 %
    view = View(results)
    upper = {d: s[0].tpr.hi for d, s in view.standings.items() if s and s[0].tpr is not None}
    below = [d for d in costs if (upper[d] or 1) <= 0.005]
    assert low[0].startswith(f"Cheapest: {min(below, key=costs.__getitem__)}. Its interval ends at ")
    assert low[1] == len(below)
    cheap = [d for d in costs if (upper[d] or 1) <= 0.022]
    assert high[0].startswith(
        f"Cheapest: {min(cheap, key=lambda d: (costs[d], -view.row('accuracy', d).value))}. "
    )  # type: ignore[union-attr]
    assert (
        never[0].startswith("No defence has an interval below that. The lowest ends at 0.42")
        and never[1] == 0
    )


FOLDING = """
const sections = [...document.querySelectorAll("main > section > details")];
const open = () => sections.filter((d) => d.open).map((d) => d.parentElement.id);
const first = open();
document.querySelector('nav a[href="#roc"]').click();
await new Promise((done) => setTimeout(done, 100));
const linked = [open(), location.hash];
const button = document.getElementById("fold-button");
button.click();
const all = [open().length, button.textContent];
button.click();
const controls = [...document.querySelectorAll("main button, main select, main input, main summary, nav a, .scroll")];
return { first, linked, all, folded: [open().length, button.textContent], controls: controls.length,
  unreachable: controls.filter((c) => c.tabIndex < 0).length };
"""


def test_sections_fold_and_links_open_them(tmp_path: Path) -> None:
    found = drive(example.page("run"), FOLDING, tmp_path)
    assert isinstance(found, dict)
    assert found["first"] == ["officer", "flags"]
    assert found["linked"] == [["officer", "flags", "roc"], "#roc"]
    assert found["all"] == [14, "Fold all sections"]
    assert found["folded"] == [0, "Open all sections"]
    assert found["controls"] > 50 and found["unreachable"] == 0


MARKS = """
document.querySelectorAll("details").forEach((d) => (d.open = true));
const seen = (plot) => plot.getBoundingClientRect().width > 0;
const curve = [...document.querySelectorAll("#roc svg.plot")].find(seen);
return [document.querySelector(".forest > [role=img]"), curve].map((plot) => {
  const said = plot.nextElementSibling;
  const titles = [...plot.querySelectorAll("svg title")];
  const press = (key) => plot.dispatchEvent(new KeyboardEvent("keydown", { key }));
  plot.focus(); // which scrolls
  const box = titles[0].parentNode.getBoundingClientRect();
  const at = { clientX: box.left - 5, clientY: box.top + box.height / 2, bubbles: true };
  const first = [document.activeElement === plot, said.textContent];
  plot.dispatchEvent(new MouseEvent("click", at));
  const tapped = said.textContent;
  press("ArrowRight");
  const next = said.textContent;
  press("ArrowLeft");
  const values = titles.map((title) => title.textContent);
  return { first, tapped, next, back: said.textContent, values, told: plot.querySelectorAll(".told").length };
});
"""


def test_a_tap_or_the_arrow_keys_tell_the_value_of_a_mark(tmp_path: Path) -> None:
    found = drive(example.page("run"), MARKS, tmp_path)
    assert isinstance(found, list)
    for drawing in found:
        assert drawing["first"] == [True, "The arrow keys go from mark to mark."]
        assert drawing["tapped"] == drawing["back"] and drawing["tapped"] in drawing["values"]
        place = drawing["values"].index(drawing["tapped"])
        assert drawing["next"] == drawing["values"][(place + 1) % len(drawing["values"])]
        assert drawing["told"] == 1
    assert "[" in found[0]["tapped"]  # with its interval


RECORDS = """
const table = document.getElementById("browser");
const form = table.closest("details").querySelector("form");
const search = form.querySelector("[type=search]");
const heads = [...table.tHead.rows[0].cells].map((h) => h.textContent);
search.value = "128"; search.dispatchEvent(new Event("input", { bubbles: true }));
const rows = [...table.tBodies[0].rows].filter((r) => !r.hidden);
const found = rows.map((r) => [r.textContent, r.querySelector("img") !== null]);
return { heads, n: table.tBodies[0].rows.length, found };
"""


def test_records_can_be_browsed_with_their_exposure_under_each_attack(tmp_path: Path) -> None:
    numbers = np.arange(100, 200)

    def exposure(attack: str, scale: float) -> Exposure:
        value, ones = scale * np.sin(numbers), np.ones(100)
        labels = [str(n % 10) for n in numbers]
        return Exposure("none", attack, numbers, labels, ones, value, value, ones, ones, value, ones, 1.25)

    results = example.run()
    (first, *_) = [r for r in results.records if r.defence == "none"]
    mine = replace(first, record=128, vulnerability=3.5, by_chance=1.25)
    page = render(replace(results, records=[mine], exposures=[exposure("lira", 1.0), exposure("gap", -2.0)]))
    assert "The largest exposure under random membership: none: 1.25." in Page(page).text
    found = drive(page, RECORDS, tmp_path)
    assert isinstance(found, dict)
    assert found["heads"] == ["Defence", "Record", "Label", "Exposure", "Found in", "lira", "gap"]
    assert found["n"] == 40
    ((text, image),) = found["found"]
    assert (
        image
        and "3.50" in text
        and f"{np.sin(128):.2f}" in text
        and f"{-2 * np.sin(128):.2f}".replace("-", "−") in text
    )
