"""Code that a study names runs only where it was allowed, and nothing in the current folder stands in for a package."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import leakbench
from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.pipeline.executors.local import LocalExecutor
from leakbench.pipeline.study import Study

TABLE = {
    "data": {"name": "digits", "records": 200},
    "design": {"name": "random_half", "models": 4},
    "stages": [{"epochs": 1}],
    "attacks": ["loss"],
}
FOREIGN = {"name": "external", "factory": "hostile:make"}
DEFENCE = {"name": "dmp", "generator": FOREIGN}
NAMING = {  # every place of a study that can name code
    "architecture": {"architecture": {"name": "custom", "factory": "hostile:make"}},
    "stage": {"stages": [{"stage": "generate", "generator": FOREIGN}, {"on": "synthetic"}]},
    "defence": {"defences": [DEFENCE]},
    "synthshield": {"defences": [{"name": "synthshield", "generator": FOREIGN}]},
    "synthetic_only": {"defences": [{"name": "synthetic_only", "generator": FOREIGN}]},
    "chain": {"defences": [{"label": "two", "chain": ["dropout", DEFENCE]}]},
}
HOSTILE = "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with modules that leave a mark when they are imported."""
    for name in ("hostile", "typer", "filelock"):
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _ran(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.ran"))


@pytest.mark.parametrize("place", NAMING)
def test_a_study_that_names_code_is_refused_unless_allowed(folder: Path, place: str) -> None:
    table = TABLE | NAMING[place]
    with pytest.raises(InputError, match=r"would import and run 'hostile:make'.*--allow-imports"):
        Study.of(table)
    allowed = Study.of(table, allow_imports=True)
    assert Study.of(allowed.describe(), allow_imports=True).describe() == allowed.describe()
    assert _ran(folder) == []


@pytest.mark.parametrize("command", [("run", "--out", "r"), ("run", "--out", "r", "--dry-run"), ("work",)])
def test_no_command_imports_what_was_not_allowed(
    folder: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    (folder / "s.toml").write_text('attacks = ["loss"]\ndata = {name = "digits"}\n')
    name, *options = command
    changes = ["--set", "architecture.name=custom", "--set", "architecture.factory=os:system"]
    assert main([name, "s.toml", "--store", "store", *options, *changes]) == 2
    said = capsys.readouterr().err
    assert "'os:system'" in said and "--allow-imports" in said and said.count("\n") == 1


def test_synthesize_imports_only_what_was_allowed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "synthesize",
        "digits",
        "--generator",
        "external",
        "--set",
        "factory=hostile:make",
        "--out",
        "made",
    ]
    assert main(command) == 2
    assert "'hostile:make'" in capsys.readouterr().err
    assert _ran(folder) == []


def test_a_worker_that_is_told_a_study_has_no_right_of_its_own(folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "leakbench", "work", "-", "--store", "store"]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as worker:
        assert worker.stdin is not None and worker.stderr is not None
        worker.stdin.write(json.dumps(TABLE | NAMING["architecture"]).encode() + b"\n")
        worker.stdin.flush()
        assert worker.wait(60) == 2
        assert b"--allow-imports" in worker.stderr.read()
    assert _ran(folder) == []


def test_nothing_in_the_current_folder_stands_in_for_a_package(folder: Path) -> None:
    executor = LocalExecutor(2)
    with executor.start_workers(TABLE | {"seed": "none"}, "store") as (worker,):
        worker.wait(60)
    assert len(executor.lost) == 1 and "seed" in executor.lost[0]
    subprocess.run([sys.executable, "-m", "leakbench", "--version"], check=True, stdout=subprocess.DEVNULL)
    assert _ran(folder) == []


@pytest.mark.slow
def test_workers_import_what_was_allowed_from_the_current_folder(folder: Path) -> None:
    """The network lies in the current folder, and both processes of the run find it there."""
    pytest.importorskip("torch")
    (folder / "own.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from torch import nn\n"
        "def make(shape, classes):\n"
        "    Path(f'{os.getpid()}.made').touch()\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
    )
    table = TABLE | {"architecture": {"name": "custom", "factory": "own:make"}}
    study = Study.of(table, allow_imports=True)
    executor = LocalExecutor(2)
    with executor.start_workers(study.describe(), str(folder / "store")) as (worker,):
        assert worker.wait(120) == 0
    assert executor.lost == []
    assert len(list(folder.glob("*.made"))) == 1 and _ran(folder) == []


def test_modules_are_imported_by_name_in_few_places() -> None:
    """Whoever imports by name elsewhere must refuse what was not allowed: see `leakbench.core.user_code`."""
    root = Path(leakbench.__file__).parent
    calls = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in ("importlib.import_module", "import_module", "__import__", "exec", "eval")
        and not isinstance(node.args[0], ast.Constant)
    }
    assert calls == {"__init__.py", "core/registry.py", "evaluation/measure.py", "core/user_code.py"}
