"""The docs cannot drift: generated pages are up to date, links lead somewhere, the README's example runs."""

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import typer

from leakbench.cli.app import app
from leakbench.core import results
from leakbench.core.results import Row
from leakbench.report.numbers import MISSING
from leakbench.report.results import Results

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_generated_pages_are_up_to_date() -> None:
    out = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stdout + out.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_files_that_are_named_exist(page: Path) -> None:
    """A path that begins with a folder of the package or of the project leads to a file; examples make their own."""
    for path in set(re.findall(r"(?<![\w/.-])[a-z_]+(?:/\w+)*/\w+\.py\b", page.read_text())):
        places = [place for place in (ROOT, ROOT / "src/leakbench") if (place / path.split("/")[0]).is_dir()]
        made = page.name == "CONTRIBUTING.md" and f"# {path}\n" in page.read_text()
        assert made or not places or any((place / path).exists() for place in places), (
            f"{page.name} names {path}"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_row_of_a_schema_has_its_meaning(page: Path) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page.read_text(), re.M):
        head, _, *rows = (
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()
        )
        for column in {"meaning", "content"} & set(head):
            assert not [row[0] for row in rows if not row[head.index(column)]]


def test_every_field_and_every_command_has_its_place() -> None:
    schema, commands = ((ROOT / "docs" / name).read_text() for name in ("results-schema.md", "cli.md"))
    for kind in (Row, *(k for k in vars(results).values() if is_dataclass(k))):
        section = schema.partition(f"\n## {kind.__name__}\n")[2].partition("\n## ")[0]
        assert [f.name for f in fields(kind)] == re.findall(r"^\| `(\w+)`", section, re.M)
    assert {name for name in typer.main.get_command(app).commands} == set(  # type: ignore[attr-defined]
        re.findall(r"^## `leakbench (\w+) --help`", commands, re.M)
    )


def test_the_readme_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert blocks
    for block in blocks:
        assert len(block.strip().splitlines()) <= 16
        exec(block, {})


def test_the_results_table_has_a_row_for_each_defence() -> None:
    spec = importlib.util.spec_from_file_location("table", ROOT / "docs" / "results" / "table.py")
    assert spec is not None and spec.loader is not None
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    where = {"lo": 0.1, "hi": 0.9, "attack": "best", "adaptive": True}
    rows = [
        Row(metric, 0.5, **where, defence=d) for d in ("none", "mixup") for metric in ("auc", "tpr@fpr=0.01")
    ]
    told = table.table(Results("run", "t", [*rows, Row("rank_correlation[entropy,auc]", 0.5, defence="all")]))
    assert [line.split(" | ")[0] for line in told[2:]] == ["| none", "| mixup"]


def test_docstring_examples_run() -> None:
    import doctest
    import importlib
    import pkgutil

    import leakbench

    tried = 0
    for info in pkgutil.walk_packages(leakbench.__path__, "leakbench."):
        if not info.name.endswith("__main__"):
            result = doctest.testmod(importlib.import_module(info.name))
            assert result.failed == 0, info.name
            tried += result.attempted
    assert tried >= 10


def test_the_leaderboard_shows_each_entry_of_its_files() -> None:
    lines = (ROOT / "docs/results/leaderboard.md").read_text().splitlines()
    shown = [
        re.sub(r"<sup>.*?</sup>|\\", "", line).split(" | ") for line in lines if re.match(r"\| [^D]", line)
    ]
    boards = [json.loads(path.read_text()) for path in sorted((ROOT / "docs/results/board").glob("*.json"))]
    entries = [entry for board in boards for entry in board["entries"]]
    assert len(shown) == len(entries) > 0
    for cells, entry in zip(shown, entries, strict=True):
        assert len(cells) <= 6 and cells[0] == f"| {entry['defence']}"
        assert abs(float(cells[2].split()[0]) - entry["auc"]["value"]) < 0.001
        matched = entry["matched"] or {"verdict": MISSING}
        assert cells[-1].startswith(matched["verdict"])
    assert "leakbench verify REPORT" in "\n".join(lines)
