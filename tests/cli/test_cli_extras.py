"""With the [train] extra alone: what needs no more works, and what does names its extra before training."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "studies" / "digits-demo.toml"
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in {"opacus", "torch_pruning", "torchvision", "diffusers", "s3fs"}
        return None if hidden else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


@pytest.fixture
def bare(tmp_path: Path):
    """The command line in a process to which the optional packages are not there."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "leakbench", *arguments],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    return command


def study(*changes: str) -> list[str]:
    small = ("data.records=300", "design.models=4", "stages.0.epochs=1", 'attacks=["loss","gap"]', *changes)
    return ["run", str(DEMO), "--out", "report", *(part for change in small for part in ("--set", change))]


@pytest.mark.parametrize("kind", ["attacks", "defences", "generators", "data", "metrics"])
def test_lists(bare, kind: str) -> None:
    done = bare("list", kind)
    assert done.returncode == 0, done.stderr


def test_the_demo_and_pruning_of_single_weights(bare, tmp_path: Path) -> None:
    done = bare(*study('defences=["temperature", "pruning"]'))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "report.html").exists()


@pytest.mark.parametrize(
    ("changes", "package", "extra"),
    [
        (['defences=[{name="dp_sgd", batch_size=64}]'], "opacus", "dp"),
        (['defences=[{name="pruning", pruner="l1_structured"}]'], "torch_pruning", "prune"),
        (['defences=[{name="synthetic_only", generator="diffusion"}]'], "diffusers", "generators"),
        (['architecture={name="resnet18"}', "data.resize=32"], "torchvision", "prune"),
    ],
)
def test_what_is_missing_is_named_before_training(
    bare, tmp_path: Path, changes: list[str], package: str, extra: str
) -> None:
    done = bare(*study(*changes))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1  # no line about training
    assert f"needs {package}; install it with: pip install 'leakbench[{extra}]'" in done.stderr
    assert not (tmp_path / "report").exists()
    assert not list((tmp_path / "leakbench-store").rglob("*.safetensors"))


def test_a_store_in_s3_names_its_extra(bare, tmp_path: Path) -> None:
    done = bare(*study(), "--store", "s3://bucket/study")
    assert done.returncode == 2 and not (tmp_path / "report").exists()
    assert done.stderr == "error: a store in S3 needs s3fs; install it with: pip install 'leakbench[s3]'\n"
