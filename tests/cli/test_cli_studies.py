"""`leakbench new`, `leakbench demo`, `leakbench list studies`, and the completion of the shell."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from leakbench import Study
from leakbench.cli.app import main
from leakbench.pipeline.dry_run import Work
from leakbench.pipeline.shipped_studies import shipped_studies

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "studies"


def test_new_writes_a_study_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    assert (
        capsys.readouterr().err == "wrote mine.toml; run it with: leakbench run mine.toml --out mine-report\n"
    )
    small = ["--set", "data.records=200", "--set", "design.models=4", "--set", "stages.0.epochs=1"]
    assert (
        main(["run", "mine.toml", "--out", "report", "--store", "store", *small, "--set", 'attacks=["loss"]'])
        == 0
    )
    assert main(["new", "mine"]) == 2
    assert "mine.toml is there already" in capsys.readouterr().err
    assert (tmp_path / "mine.toml").read_bytes() == (STUDIES / "start.toml").read_bytes()


def test_new_copies_any_study_that_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    names = {path.relative_to(STUDIES).with_suffix("").as_posix() for path in STUDIES.rglob("*.toml")}
    assert names == set(shipped_studies()) and main(["list", "studies"]) == 0
    listed = capsys.readouterr().out
    for name in names:
        assert name in listed and main(["new", name.replace("/", "-"), "--like", name]) == 0
        assert Study.load(tmp_path / f"{name.replace('/', '-')}.toml").file.title in listed
    capsys.readouterr()
    assert main(["new", "x", "--like", "smal/entropy"]) == 2
    assert "did you mean 'small/entropy'?" in capsys.readouterr().err


def test_the_demo_runs_its_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []

    def forecast(study: Study, *about: object) -> list[Work]:
        planned.append(study)
        return [Work("attacks", 1, 1, 1.0)]

    monkeypatch.setattr("leakbench.pipeline.dry_run.forecast", forecast)
    assert main(["demo", "--out", str(tmp_path / "r"), "--store", str(tmp_path / "s"), "--dry-run"]) == 0
    assert [study.file for study in planned] == [Study.load(STUDIES / "digits-demo.toml").file]


@pytest.mark.slow
def test_a_dry_run_of_the_demo_tells_its_trainings(tmp_path: Path, capsys) -> None:
    given = ["--out", str(tmp_path / "r"), "--store", str(tmp_path / "s"), "--dry-run"]
    assert main(["demo", *given]) == 0
    assert "training: hamp" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "place", "expected"), [("leakbench au", 1, "audit"), ("leakbench audit --pr", 2, "--probs")]
)
def test_the_shell_completes_commands_and_options(words: str, place: int, expected: str) -> None:
    given = {"_LEAKBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    code = f"import os; os.environ.update({given!r}); from leakbench.cli.app import main; raise SystemExit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [expected], done.stderr


@pytest.mark.slow
def test_the_wheel_has_every_study_and_every_file_of_the_package(tmp_path: Path) -> None:
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, files):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes((ROOT / name).read_bytes())
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*pip, str(tmp_path / "tree")], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == {name.removeprefix("src/") for name in files if name.startswith("src/")} | {
        f"leakbench/{name}" for name in files if name.startswith("studies/")
    }
