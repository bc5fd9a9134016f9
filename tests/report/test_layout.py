"""How the page lies on a screen, on paper and for a screen reader, in a real browser."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from leakbench.core.results import Row
from leakbench.report.report_pairs import ReportComparison, ReportPair

from . import example
from .test_browser import CHROMIUM, OPTIONS, browse, drive

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
SCREEN = 900  # pixels

PALE = """
const luminance = (colour) => {
  const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((c) => c / 255);
  const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
};
const paper = luminance(getComputedStyle(document.body).backgroundColor);
const contrast = (text) => luminance(getComputedStyle(text).fill) / paper;
const pale = () => [...document.querySelectorAll("svg text")].filter((text) => text.getClientRects().length)
  .filter((text) => Math.max(contrast(text), 1 / contrast(text)) < 4.5).map((text) => text.textContent);
"""  # texts in drawings, which axe leaves out
LAYOUT = (
    PALE
    + """
const box = (selector) => document.querySelector(selector)?.getBoundingClientRect();
const [verdict, figure, table] = [".verdict", ".forest", "#headline"].map(box);
const before = {
  height: document.documentElement.scrollHeight, verdict: verdict?.bottom, figure: [figure?.top, figure?.bottom],
  table: table?.top, columns: document.querySelectorAll("#headline thead th").length,
  first: document.getElementById("summary")?.textContent,
};
document.querySelectorAll("details").forEach((d) => (d.open = true));
const numberless = [...document.querySelectorAll("table")].filter((t) => {
  const edge = t.parentElement.getBoundingClientRect().right + 1;
  const numbers = [...t.querySelectorAll("tbody td")].filter((c) => /\\d/.test(c.textContent));
  return t.offsetParent !== null && numbers.length && !numbers.some((c) => c.getBoundingClientRect().right <= edge);
});
const lines = (p) => p.getBoundingClientRect().height / parseFloat(getComputedStyle(p).lineHeight);
const overflow = document.documentElement.scrollWidth - innerWidth; // before axe, which scrolls
const texts = [...document.querySelectorAll("p, li, dd, caption span")].filter((p) => !p.querySelector("p, li, img"));
const wide = innerWidth > 1000, rules = { "color-contrast": { enabled: wide } }; // slow; colours depend on no width,
const found = await axe.run(document, { preload: false, resultTypes: ["violations"], rules });
const button = document.getElementById("contents-button"); // but it is not shown where the window is wide
if (!wide && button)
  found.violations.push(...(await axe.run(button, { preload: false, runOnly: ["color-contrast"] })).violations);
return {
  ...before, width: innerWidth, overflow, pale: pale(),
  numberless: numberless.map((t) => t.id), axe: found.violations.map((v) => [v.id, v.nodes.map((n) => n.html)]),
  long: wide ? texts.filter((p) => lines(p) > 5.5).map((p) => p.textContent) : [],
};
"""
)


def axe() -> str:
    """The library that finds what assistive technology stumbles over."""
    spec = find_spec("axe_core_python")
    assert spec is not None and spec.origin is not None, "install the tests' packages: pip install -e .[dev]"
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


DARK = (
    PALE
    + """
document.querySelectorAll("details").forEach((d) => (d.open = true));
const found = await axe.run(document, { preload: false, resultTypes: ["violations"], runOnly: ["color-contrast"] });
const wrong = found.violations.map((v) => [v.id, v.nodes.map((n) => n.html)]);
return [getComputedStyle(document.body).backgroundColor, wrong, pale()];
"""
)


def compared() -> str:
    """A page that compares two reports."""
    pairs = [
        ReportPair(d, 1, Row(m, 0.6, 0.58, 0.62, attack=a), Row(m, 0.7, 0.68, 0.72, attack=a, selected="lira"),
                   Row(f"{m}-difference", 0.1, 0.07, 0.13), paired=True)
        for d in ("none", "label_smoothing") for m, a in (("auc", "best"), ("auc", "loss"), ("accuracy", None))
    ]  # fmt: skip
    return ReportComparison(
        ["Before", "After"], ["report-before", "report-after"], pairs, ["one note"]
    ).page()


@pytest.mark.parametrize("width", [420, 1400])
def test_the_answer_is_on_the_first_screen_and_nothing_is_wider_than_it(width: int, tmp_path: Path) -> None:
    found = drive(example.page("small"), LAYOUT, tmp_path, width, axe())
    assert isinstance(found, dict)
    assert found["width"] == width
    assert found["verdict"] < 0.4 * SCREEN
    assert found["figure"][0] < 0.45 * SCREEN and found["figure"][1] < SCREEN
    assert found["table"] < SCREEN
    assert 3 <= found["columns"] <= 6
    assert not re.search("nats|jensen", found["first"], re.I)
    assert found["height"] < (7_000 if width < 600 else 4_500)  # the sections are folded
    assert found["overflow"] <= 0
    assert found["numberless"] == []
    assert found["long"] == []
    assert found["axe"] == found["pale"] == []


def test_the_page_can_be_read_in_the_dark(tmp_path: Path) -> None:
    page = example.page("small").replace("@media screen and (prefers-color-scheme: dark)", "@media screen")
    page = re.sub("style-src '[^']*'", "style-src 'unsafe-inline'", page)  # the sheet is another one now
    assert drive(page, DARK, tmp_path, 1400, axe()) == ["rgb(22, 22, 21)", [], []]


@pytest.mark.parametrize("width", [420, 1400])
def test_the_page_of_a_comparison_is_accessible_at_either_width(width: int, tmp_path: Path) -> None:
    page = compared().replace("style-src", "script-src ''; style-src")
    found = drive(page, LAYOUT, tmp_path, width, axe())
    assert isinstance(found, dict)
    assert (found["width"], found["axe"], found["numberless"]) == (width, [], [])
    assert found["overflow"] <= 0


def test_the_page_of_a_comparison_has_no_word_on_the_console(tmp_path: Path) -> None:
    page = tmp_path / "comparison.html"
    page.write_text(compared())
    assert browse(page, tmp_path / "profile")[1] == []


def test_the_printed_page_is_short(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(example.page("small"))
    command = [
        CHROMIUM,
        *OPTIONS,
        f"--print-to-pdf={paper}",
        f"--user-data-dir={tmp_path / 'profile'}",
        page.as_uri(),
    ]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes())) <= 6
