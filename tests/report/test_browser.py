"""The page in a real browser: no error, sorting and filters do what they say."""

import json
import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from . import example

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--dump-dom",
]  # fmt: skip


def browse(page: Path, profile: Path) -> tuple[str, list[str]]:
    """The document after its scripts ran, and what they wrote to the console."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def framed(text: str, width: int) -> str:
    """A page that shows another one `width` pixels wide, narrower than a window can be, and takes its title."""
    script = "onload = () => { document.title = frames[0].document.title; };"
    frame = f'<iframe style="width: {width}px; height: 900px; border: 0" srcdoc="{escape(text)}"></iframe>'
    return f"<!doctype html><title></title>{frame}<script>{script}</script>"


def drive(page: str, script: str, folder: Path, width: int | None = None) -> object:
    """What `script` returns on a page, whose policy forbids foreign scripts: it is opened for this one."""
    text = page.replace("script-src 'sha256-", "script-src 'unsafe-inline' 'ignored-")
    probe = f"<script>document.title = JSON.stringify((() => {{ {script} }})())</script></body>"
    driven = folder / "driven.html"
    text = text.replace("</body>", probe)
    driven.write_text(text if width is None else framed(text, width))
    dom, console = browse(driven, folder / "profile")
    assert not [line for line in console if "Error" in line]
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title is not None
    return json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


@pytest.mark.parametrize("name", ["audit", "hostile", "empty"])
def test_the_page_runs_without_a_word_on_the_console(name: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(example.page(name))
    dom, console = browse(page, tmp_path / "profile")
    assert console == []
    assert "<title>owned</title>" not in dom
    if name != "empty":
        assert '<thead><tr>\n<th scope="col"><button' in dom.replace("\r", "")


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
        r.value for r in example.audit().rows if (r.metric, r.slice, r.target) == ("auc", "all", "all")
    )
    assert found["down"] == ["descending", values[::-1]]
    assert found["up"] == ["ascending", values]
    assert found["names"] == ["ascending", sorted(["best", *example.ATTACKS])]
    assert found["cleared"] is False


FILTER = """
const table = document.getElementById("leakage");
const form = document.getElementById("filters");
const lines = () => [...table.tBodies[0].rows].filter((r) => r.offsetParent !== null)
  .map((r) => [...r.cells].slice(0, 4).map((c) => c.firstChild.textContent.trim()));
const say = () => form.querySelector("output").textContent;
const choose = (column, text) => {
  const select = form.querySelector(`select[data-column="${column}"]`);
  select.value = text;
  select.dispatchEvent(new Event("change"));
};
const first = [lines(), say()];
choose(0, "temperature"); choose(1, "lira"); choose(2, ""); choose(3, "class 3");
const chosen = [lines(), say()];
const head = [...table.tHead.rows[0].cells].find((h) => h.textContent === "AUC");
const before = head.offsetParent !== null;
const box = [...form.querySelectorAll("input")].find((b) => b.parentElement.textContent.trim() === "AUC");
box.click();
return { first, chosen, before, after: head.offsetParent !== null, hidden: form.hidden };
"""


def test_filters_show_what_was_chosen_and_hide_columns(tmp_path: Path) -> None:
    found = drive(example.page("run"), FILTER, tmp_path)
    assert isinstance(found, dict)
    lines, said = found["first"]
    assert said == "65 of 1,500 lines"
    assert len(lines) == 65
    assert {tuple(line[2:]) for line in lines} == {("adaptive", "all records")}
    lines, said = found["chosen"]
    assert lines == [["temperature", "lira", a, "class 3"] for a in ("adaptive", "non-adaptive")]
    assert said == "2 of 1,500 lines"
    assert (found["before"], found["after"], found["hidden"]) == (True, False, False)


def test_hostile_names_can_be_filtered_by(tmp_path: Path) -> None:
    script = """
    const select = document.querySelector('#filters select');
    select.value = select.options[1].value; select.dispatchEvent(new Event("change"));
    return [select.value, document.querySelector("#filters output").textContent];
    """
    found = drive(example.page("hostile"), script, tmp_path)
    assert isinstance(found, list)
    assert found[0] in (example.HOSTILE, "best")
    assert not str(found[1]).startswith("0 of")
