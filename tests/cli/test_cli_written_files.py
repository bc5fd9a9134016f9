"""The files that gate and compare write replace only what the same command wrote."""

from pathlib import Path

import numpy as np
import pytest

import leakbench
from leakbench.cli.app import main


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, members = np.random.default_rng(0), np.arange(300) < 150
    results = leakbench.audit(losses=rng.exponential(size=300), members=members, attacks=["loss"])
    return results.save(tmp_path_factory.mktemp("written") / "report").parent


def commands(report: Path, folder: Path) -> dict[str, list[str]]:
    policy = folder / "policy.toml"
    policy.write_text("nonmembers = 1\n[[ceilings]]\nattack = 'loss'\nat_most = 0.99\n")
    return {
        "gate --json": ["gate", str(report), "--policy", str(policy), "--json"],
        "gate --junit": ["gate", str(report), "--policy", str(policy), "--junit"],
        "compare --json": ["compare", str(report), str(report), "--json"],
        "compare --page": ["compare", str(report), str(report), "--page"],
    }


OUTPUTS = ["gate --json", "gate --junit", "compare --json", "compare --page"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_file_of_the_same_command_is_replaced(report: Path, tmp_path: Path, output: str) -> None:
    path = tmp_path / "new" / "out"
    command = [*commands(report, tmp_path)[output], str(path)]
    assert main(command) == 0
    first = path.read_bytes()
    path.write_bytes(first + b" ")
    assert main(command) == 0 and path.read_bytes() == first
    assert [each.name for each in path.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(
    "there", ["report.html", "report.json", "policy.toml", "thesis.txt", "link", "folder"]
)
def test_a_file_of_another_origin_stays(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, there: str
) -> None:
    given, path = commands(report, tmp_path), tmp_path / there
    if there.startswith("report"):
        path.write_bytes((report / there).read_bytes())
    elif there == "link":
        assert main([*given[output], str(tmp_path / "target")]) == 0
        path.symlink_to(tmp_path / "target")
    elif there == "folder":
        path.mkdir()
    elif there == "thesis.txt":
        path.write_text("Run leakbench gate and leakbench compare.")
    before = path.is_dir() or path.read_bytes()
    capsys.readouterr()
    assert main([*given[output], str(path)]) == 2
    assert "leakbench did not write it" in capsys.readouterr().err
    assert (path.is_dir() or path.read_bytes()) == before and path.is_symlink() == (there == "link")


def test_one_command_does_not_replace_the_file_of_another(report: Path, tmp_path: Path) -> None:
    given, path = commands(report, tmp_path), tmp_path / "out"
    for first in OUTPUTS:
        path.unlink(missing_ok=True)
        assert main([*given[first], str(path)]) == 0
        assert [main([*given[other], str(path)]) for other in OUTPUTS if other != first] == [2, 2, 2]
