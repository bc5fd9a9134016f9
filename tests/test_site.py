"""The documentation as a site: every page is in the navigation, links hold, and the code of the tutorials runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = set(re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
BESIDE = {"index.md", "contributing.md", "security.md", "changelog.md"}  # made of files that lie beside docs/
EXECUTED = ["start.md", "other-tools.md", "tutorials/audit.md", "tutorials/attack.md"]
LONGER = ["tutorials/defences.md"]


def test_every_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    assert {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} | BESIDE == NAMED


def test_the_site_is_built_without_a_broken_link_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    loaded = r"<(?:script|img|iframe)[^>]*src=\"https?://|<link[^>]*rel=\"stylesheet\"[^>]*href=\"https?://"
    assert len(pages) > len(NAMED) - 1 and not [p for p in pages if re.search(loaded, p.read_text("utf-8"))]
    page, board = tmp_path / "site/results/leaderboard.html", tmp_path / "site/results/board"
    assert 'href="board/index.html"' in page.read_text("utf-8")
    stored = [json.loads(path.read_text("utf-8")) for path in (ROOT / "docs/results/board").glob("*.json")]
    entries = {entry["page"] for each in stored for entry in each["entries"]}
    linked = set(re.findall(r'href="(entry-[^"]*)"', (board / "index.html").read_text("utf-8")))
    assert (
        linked == entries == {path.name for path in board.glob("entry-*.html")}
        and (board / "leaderboard.json").exists()
    )


def test_every_tutorial_is_executed() -> None:
    tutorials = {f"tutorials/{page.name}" for page in (ROOT / "docs/tutorials").iterdir()}
    assert tutorials <= {*EXECUTED, *LONGER}


@pytest.mark.parametrize("page", [*EXECUTED, *(pytest.param(p, marks=pytest.mark.slow) for p in LONGER)])
def test_the_code_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
    assert blocks
    names = {"__name__": "tutorial"}
    for block in blocks:
        exec(block, names)
