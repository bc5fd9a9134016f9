"""An audit and studies run with the lowest and the newest versions of the dependencies that pyproject.toml allows."""

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
PLAIN = ['attacks=["gap","rmia"]', 'query.views=["identity"]', "design.models=4", "frontier=[]"]
STUDIES = {
    "digits-demo": ["data.records=300", 'defences=[{name="temperature",temperature=5.0}]'],
    "small/forest": [
        "data.records=200",
        "trainer.parameters.n_estimators=10",
        'defences=[{name="rounding"}]',
    ],
}


def dependencies() -> list[Requirement]:
    """What an audit and the training of networks need."""
    return [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"]]


def constraints(versions: str) -> list[str]:
    """What pip is told. torch is the one that runs here: other versions for CPUs alone are in an index of their own."""
    try:
        torch = [f"torch=={version('torch').partition('+')[0]}"]
    except PackageNotFoundError:
        pytest.skip("needs torch")
    if versions == "newest":
        return torch
    assert all(str(each.specifier).startswith(">=") for each in dependencies())
    others = [each for each in dependencies() if each.name != "torch"]
    return torch + [f"{each.name}=={str(each.specifier).removeprefix('>=')}" for each in others]


def call(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    arguments = [str(part) for part in command]
    return subprocess.run(
        arguments, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=1500, check=False
    )


@pytest.fixture(params=["lowest", "newest"])
def python(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The interpreter of a new environment that holds leakbench with these versions."""
    oldest = PROJECT["requires-python"].removeprefix(">=")
    if request.param == "lowest" and oldest != f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip(f"the lowest versions are those of the lowest Python, {oldest}")
    venv.create(tmp_path / "env", with_pip=True)
    found = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    reached = call(
        found, "-m", "pip", "download", "--no-deps", "--dest", tmp_path, "threadpoolctl", cwd=tmp_path
    )
    if reached.returncode:
        pytest.skip(f"no package can be fetched here: {reached.stderr.splitlines()[-1:]}")
    source = tmp_path / "source"  # a build writes into the folder that it builds
    for name in ("src", "studies"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
        )
    for name in ("pyproject.toml", "setup.py", PROJECT["readme"], *PROJECT["license-files"]):
        shutil.copy(ROOT / name, source)
    told = tmp_path / "constraints.txt"
    told.write_text("\n".join(constraints(request.param)))
    done = call(found, "-m", "pip", "install", "-q", "-c", told, f"{source}[train]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return found


@pytest.mark.slow
def test_an_audit_and_studies(python: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    members, labels = np.arange(400) % 2 == 0, rng.integers(0, 4, 400)
    logits = rng.normal(size=(9, 400, 4))
    logits[0, np.arange(400), labels] += np.where(members, 3.0, 1.0)
    keep = rng.random((8, 400)) < 0.5
    shadows = {"shadow_logits": logits[1:], "shadow_members": keep}
    np.savez(tmp_path / "outputs.npz", logits=logits[0], labels=labels, members=members, **shadows)
    done = call(
        python,
        "-m",
        "leakbench",
        "audit",
        "outputs.npz",
        "--out",
        "r",
        "--attacks",
        "standard-2027",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for name, settings in STUDIES.items():
        changed = [part for setting in [*PLAIN, *settings] for part in ("--set", setting)]
        command = [
            "run",
            ROOT / "studies" / f"{name}.toml",
            "--out",
            f"{name}-report",
            "--store",
            "store",
            *changed,
        ]
        done = call(python, "-m", "leakbench", *command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{name}-report" / "report.html").is_file()
