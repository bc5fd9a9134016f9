"""The doctor ends every check in a line, whatever is broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leakbench.cli.app import main
from leakbench.core.store import open_store
from leakbench.pipeline import doctor as module
from leakbench.pipeline.doctor import Diagnosis, doctor

CHECKS = ("_python", "_packages", "_plugins", "_cpu", "_memory", "_gpu", "_temporary", "_data", "_store")


@pytest.fixture(autouse=True)
def few_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing all packages takes long."""
    monkeypatch.setattr(
        module.metadata, "requires", lambda name: ["typer>=0.16", "absent-extra>=1; extra == 'dp'"]
    )
    monkeypatch.setattr(module, "_gpu", lambda: iter([Diagnosis("gpu", "note", "none")]))


def by_part(**about: str) -> dict[str, Diagnosis]:
    return {each.part: each for each in doctor(**about)}


def test_a_machine_that_is_ready_has_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    open_store(tmp_path / "store").once("models", {"a": 1}, lambda: ({"x.json": b"1"}, {}))
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["doctor", "--data", str(tmp_path / "data"), "--store", str(tmp_path / "store")]) == 0
    out = capsys.readouterr().out
    for part in ("python", "typer", "plug-ins", "cpu", "memory", "gpu", "temporary files", "data", "store"):
        assert f"\n{part}" in f"\n{out}"
    assert "mnist" in out and "1 models" in " ".join(out.split()) and out.endswith("\n0 problems\n")
    assert max(map(len, out.splitlines())) <= 80
    assert by_part()["absent-extra"] == Diagnosis(
        "absent-extra", "note", "missing; pip install 'leakbench[dp]'"
    )


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_that_fails_is_a_problem_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], check: str
) -> None:
    def broken(*arguments: object) -> object:
        raise OSError("the disk\nis on fire")

    monkeypatch.setattr(module, "_imported", lambda modules: dict.fromkeys(modules, ""))
    whole = len(doctor())
    monkeypatch.setattr(module, check, broken)
    assert main(["doctor"]) == 1
    captured = capsys.readouterr()
    assert "problem  OSError: the disk is on fire" in captured.out and captured.err == ""
    found = doctor()
    assert sum(each.status == "problem" for each in found) == 1 and len(found) >= whole - 1


def test_packages_that_are_missing_old_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["typer>=99.1", "numpy>=1", "absent>=2", "pytest>=1; extra == 'dev'"]
    monkeypatch.setattr(module.metadata, "requires", lambda name: wanted)
    (tmp_path / "numpy.py").write_text("raise ImportError('libm.so: wrong ELF class')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    found = {each.part: each for each in module._packages()}
    assert found.keys() == {"typer", "numpy", "absent"} and {each.status for each in found.values()} == {
        "problem"
    }
    assert "is too old; pip install -U 'typer>=99.1'" in found["typer"].text
    assert "cannot be imported (ImportError libm.so: wrong ELF class)" in found["numpy"].text
    assert found["absent"].text == "missing; pip install -U 'absent>=2'"


def test_a_package_that_ends_the_interpreter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fatal.py").write_text("import os; os._exit(139)")
    (tmp_path / "loud.py").write_text("print('loud is here')\nraise KeyboardInterrupt")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    found = module._imported(["json", "loud", "fatal"])
    assert found["json"] == "" and found["fatal"] == "the interpreter ended with code 139"
    assert "KeyboardInterrupt" in found["loud"]


@pytest.mark.parametrize(
    ("version", "lowest", "enough"),
    [
        ("2.13.0+cpu", "2.5", True),
        ("2.4.9", "2.5", False),
        ("2026.9.0", "2024.10", True),
        ("2.5rc1", "2.5", True),
    ],
)
def test_versions_compare_by_their_numbers(version: str, lowest: str, enough: bool) -> None:
    assert (module._parts(version) >= module._parts(lowest)) == enough


def test_places_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    found = by_part(data=str(tmp_path / "absent"), store=str(tmp_path))
    assert found["data"].status == found["store"].status == "problem" and "thesis.tex" in found["store"].text
    assert by_part(store=str(tmp_path / "thesis.tex" / "store"))["store"].status == "problem"
    assert by_part(store="s3://bucket/store")["store"].status == "note"
    monkeypatch.delenv("LEAKBENCH_DATA", raising=False)
    assert by_part()["data"].status == "note"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]


@pytest.mark.slow
def test_the_command_runs_without_numpy_and_rich(tmp_path: Path) -> None:
    for name in ("numpy", "rich"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('broken')")
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "leakbench", "doctor"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "cannot be imported (RuntimeError broken)" in " ".join(done.stdout.split())
