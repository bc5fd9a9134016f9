"""With the [train] extra alone: what needs no more works, and what does names its extra before training."""

import json
import os
import subprocess
import sys
from pathlib import Path

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


RUN = """
import contextlib, io, json, sys
from leakbench.cli.app import main
done = []
for given in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(io.StringIO()):
        code = main(given)
    done.append((code, err.getvalue()))
print(json.dumps(done))
"""
MISSING = [
    (['defences=[{name="dp_sgd", batch_size=64}]'], "opacus", "dp"),
    (['defences=[{name="pruning", pruner="l1_structured"}]'], "torch_pruning", "prune"),
    (['defences=[{name="synthetic_only", generator="diffusion"}]'], "diffusers", "generators"),
    (['architecture={name="resnet18"}', "data.resize=32"], "torchvision", "prune"),
]


def bare(folder: Path, *commands: list[str]) -> list[tuple[int, str]]:
    """Code and stderr of each command, in one process to which the optional packages are not there."""
    (folder / "sitecustomize.py").write_text(WITHOUT)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(commands)],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(code, said) for code, said in json.loads(done.stdout)]


def study(*changes: str, command: tuple[str, ...] = ("run", str(DEMO), "--out", "report")) -> list[str]:
    small = ("data.records=200", "design.models=4", "stages.0.epochs=1", 'attacks=["loss"]', *changes)
    return [*command, *(part for change in small for part in ("--set", change))]


def test_what_is_missing_is_named_before_training_and_what_needs_no_more_works(tmp_path: Path) -> None:
    """Lists and a worker for the demo, which prunes single weights, need no more; a store in S3 names its extra."""
    kinds = ("attacks", "defences", "generators", "data", "metrics")
    (code, said), *others = bare(
        tmp_path,
        [*study(), "--store", "s3://bucket/study"],
        *(study(*changes) for changes, _, _ in MISSING),
        *(["list", kind] for kind in kinds),
        study('defences=["temperature", {name="pruning", epochs=1}]', command=("work", str(DEMO))),
    )
    assert code == 2
    assert said == "error: a store in S3 needs s3fs; install it with: pip install 'leakbench[s3]'\n"
    for (code, said), (_, package, extra) in zip(others[: len(MISSING)], MISSING, strict=True):
        assert code == 2
        assert said.startswith("error: ") and said.count("\n") == 1  # no line about training
        assert f"needs {package}; install it with: pip install 'leakbench[{extra}]'" in said
    assert [code for code, _ in others[len(MISSING) :]] == [0] * 6, others
    assert len(list((tmp_path / "leakbench-store").rglob("weights.safetensors"))) == 8  # of the last alone
    assert len(list((tmp_path / "leakbench-store" / "findings").iterdir())) == 3
