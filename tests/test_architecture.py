"""The arrows between the parts: what may import what, and what must stay cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import leakbench

ROOT = Path(leakbench.__file__).parent
TORCH_SIDE = {
    "train", "executors", "store", "models", "running", "pace", "forecast", "trial", "utility", "footprint",
    "generated", "generators", "vision", "cores",
}  # fmt: skip
LAYERS = {  # a part may import the parts named here, and itself
    "errors": set(),
    "imports": {"errors"},
    "seeds": set(),
    "key": set(),
    "registry": {"errors"},
    "tables": {"errors"},
    "progress": {"log", "printable"},
    "printable": set(),
    "streams": set(),
    "provenance": {"cores"},
    "recent": set(),
    "cores": set(),
    "types": {"errors", "recent", "signals"},
    "regular": set(),
    "saved": {"errors", "regular"},
    "results": {"errors", "regular", "report", "saved"},
    "signals": {"errors", "types", "seeds", "key"},
    "metrics": {"errors", "recent", "registry", "seeds", "types"},
    "attacks": {"cores", "errors", "registry", "metrics", "signals", "types"},
    "defences": {"errors", "generators", "registry", "seeds", "signals", "train", "types"},
    "generators": {"cores", "data", "errors", "imports", "registry", "seeds", "types", "vision"},
    "synthetic": {"errors", "types"},
    "vision": set(),
    "data": {"errors", "progress", "registry", "seeds", "signals", "tables", "types"},
    "log": set(),
    "store": {"errors", "key", "log", "regular"},
    "train": {
        "cores",
        "data",
        "errors",
        "generators",
        "imports",
        "key",
        "log",
        "registry",
        "seeds",
        "signals",
        "vision",
    },
    "executors": {"cores", "data", "errors", "log", "running", "store", "study"},
    "scoring": {"attacks", "errors", "metrics", "seeds", "types"},
    "report": {"errors", "printable", "regular", "results", "saved"},
}


def _imports(path: Path) -> set[str]:
    """The leakbench parts and outside packages that a module imports anywhere, also inside functions."""
    found = set()
    depth = len(path.relative_to(ROOT).parts) - 1
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level == depth + 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {f"leakbench.{name.split('.')[0]}" for name in names if name != "__version__"}
    return found


def _modules(part: str) -> list[Path]:
    single = ROOT / f"{part}.py"
    return [single] if single.exists() else sorted((ROOT / part).rglob("*.py"))


@pytest.mark.parametrize("part", LAYERS)
def test_imports_point_one_way(part: str) -> None:
    modules = _modules(part)
    assert modules, f"{part} is gone; take it out of LAYERS"
    for path in modules:
        inner = {name.removeprefix("leakbench.") for name in _imports(path) if name.startswith("leakbench.")}
        assert inner <= LAYERS[part] | {part}, (
            f"{path.relative_to(ROOT)} imports {inner - LAYERS[part] - {part}}"
        )


def _network_attacks() -> set[Path]:
    """The base of the attacks that are torch networks, their layers, and the attacks built on them."""
    bases = {ROOT / "attacks" / "_network.py", ROOT / "attacks" / "_layers.py"}
    built = {path for path in _modules("attacks") if "from ._network import" in path.read_text()}
    return bases | built


def test_only_the_training_side_imports_torch() -> None:
    allowed = _network_attacks()
    assert len(allowed) >= 4 and all(path.exists() for path in allowed)
    for path in ROOT.rglob("*.py"):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if part not in TORCH_SIDE and path not in allowed:
            assert not {"torch", "safetensors"} & _imports(path), path
    recipe = _modules("train/recipe")
    assert recipe and not any("torch" in _imports(path) for path in recipe)


def test_nothing_that_reads_files_can_run_code() -> None:
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        assert "allow_pickle=True" not in text, path
        assert "pickle" not in _imports(path) or "Unpickler" in text, path
        assert not {"joblib", "dill", "shelve", "marshal"} & _imports(path), path


def test_audit_runs_without_torch() -> None:
    """An interpreter in which torch cannot be imported still audits."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'safetensors'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import numpy as np, leakbench\n"
        "rng = np.random.default_rng(0); members = np.arange(200) < 100\n"
        "results = leakbench.audit(losses=rng.exponential(1 + ~members), members=members)\n"
        "assert results.find(attack='loss', metric='auc', slice='all')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_study_is_read_without_torch() -> None:
    """What a study file says wrong is said at once, on a machine that cannot train too."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'torchvision', 'opacus', 'diffusers', 'torch_pruning'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from leakbench.study import Study\n"
        "from leakbench.defences import DEFENCES\n"
        "study = Study.of({'data': {'name': 'digits'}, 'defences': DEFENCES.names(), 'attacks': ['lira', 'samia']})\n"
        "assert len(study.defences) == len(DEFENCES.names())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("code", ["import leakbench", "import leakbench.cli"])
def test_import_stays_light(code: str) -> None:
    """What takes long to import is imported by the command that needs it."""
    heavy = ["numpy", "scipy", "sklearn", "pyarrow", "matplotlib", "torch", "pydantic", "jinja2", "PIL"]
    check = f"{code}; import sys; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
