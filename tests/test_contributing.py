"""The examples in CONTRIBUTING.md, pasted as printed into a copy of the project, pass lint and contract tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
GUIDE = (PROJECT / "CONTRIBUTING.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (src/leakbench/\S+\.py)\n(.*?)```", GUIDE, re.DOTALL))
CONTRACTS = [
    "tests/attacks/test_contract_attacks.py",
    "tests/defences/test_contract.py",
    "tests/test_registry.py",
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the examples in their places."""
    copy = tmp_path_factory.mktemp("project")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "tests", "docs"):
        shutil.copytree(PROJECT / name, copy / name, ignore=unwanted)
    shutil.copy(PROJECT / "pyproject.toml", copy)
    for path, code in EXAMPLES.items():
        (copy / path).write_text(code)
    return copy


def python(copy: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(copy / "src")}
    environment.pop("PYTEST_XDIST_WORKER", None)
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_an_example_of_an_attack_and_of_a_defence() -> None:
    assert {path.split("/")[2] for path in EXAMPLES} == {"attacks", "defences"}


def test_they_are_clean(copy: Path) -> None:
    python(copy, "-m", "ruff", "check", *EXAMPLES)
    python(copy, "-m", "ruff", "format", "--check", *EXAMPLES)


def test_they_have_their_pages(copy: Path) -> None:
    pages = "from generate import *; print(page('', '', ATTACKS), page('', '', DEFENCES))"
    printed = python(copy, "-c", f"import sys; sys.path.insert(0, 'docs'); {pages}")
    assert "## `margin`" in printed and "## `larger_batches`" in printed


def test_they_pass_the_contract_tests(copy: Path) -> None:
    chosen = "margin or larger_batches"
    said = python(copy, "-m", "pytest", "-p", "no:cacheprovider", "-k", chosen, *CONTRACTS)
    assert int(re.findall(r"(\d+) passed", said)[0]) >= 15 and "skipped" not in said, said
