"""The arrows between the parts: what may import what, and what must stay cheap."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import leakbench

ROOT = Path(leakbench.__file__).parent
MODULES = {
    ".".join(["leakbench", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}
RULES = {  # a part may import itself and the parts named here
    "core": set(),
    "core/store": {"core"},
    "signals": {"core"},
    "data": {"core", "signals", "data/canaries", "data/designs", "data/formats", "data/sets"},
    "data/audit_file": {"core", "signals"},
    "data/canaries": {"core", "data"},
    "data/designs": {"core", "signals", "data"},
    "data/formats": {"core", "signals", "data", "data/audit_file"},
    "data/sets": {"core", "data/formats"},
    "metrics/statistics": {"core", "signals"},
    "metrics": {"core", "signals", "metrics/statistics"},
    "attacks": {"core", "signals", "metrics/statistics"},
    "generators": {"core", "signals", "data", "data/formats"},
    "report": {"core", "report/figures", "report/tables"},
    "report/figures": {"core", "report"},
    "report/tables": {"core", "report"},
    "train/losses": {"core"},
    "train/recipe": {"core", "generators", "train/losses"},
    "train/networks": {"core", "train/recipe"},
    "train/stacked": {"core", "train", "train/networks", "train/recipe"},
    "train/steps": {"core", "train", "train/networks", "train/recipe"},
    "train": {
        "core", "signals", "data", "generators",
        "train/losses", "train/networks", "train/recipe", "train/stacked", "train/steps",
    },
    "defences": {"core", "signals", "generators", "train", "train/losses", "train/recipe"},
    "evaluation": {"core", "signals", "data/audit_file", "attacks", "metrics", "metrics/statistics", "report"},
    "evaluation/selfcheck": {"core", "signals", "attacks", "defences", "evaluation", "metrics", "metrics/statistics"},
    "evaluation/decisions": {
        "core", "attacks", "metrics", "metrics/statistics", "report", "report/tables", "evaluation",
    },
    "pipeline": {
        "core", "core/store", "signals", "data", "data/designs", "data/sets", "generators", "attacks", "metrics",
        "metrics/statistics", "train", "train/networks", "train/recipe", "defences", "evaluation", "report",
        "pipeline/any_model", "pipeline/executors",
    },
    "pipeline/any_model": {
        "core", "core/store", "signals", "data/audit_file", "data/designs", "attacks", "metrics", "evaluation",
        "report",
    },
    "pipeline/executors": {"core", "core/store", "data", "pipeline"},
    "cli": {
        "core", "core/store", "evaluation/selfcheck", "report", "report/tables", "pipeline", "pipeline/executors",
        "cli/commands",
    },
    "cli/commands": {
        "", "core", "data", "data/canaries", "generators", "attacks", "metrics", "defences", "evaluation",
        "evaluation/decisions", "evaluation/selfcheck", "report", "pipeline", "pipeline/executors", "cli",
    },
    "": {  # the public names
        "core", "evaluation", "evaluation/decisions", "report", "pipeline", "pipeline/any_model", "cli",
    },
}  # fmt: skip
MOST_ENTRIES = 15  # at the top of the package: a newcomer reads them all
TRAINING = {
    "torch",
    "safetensors",
    "torchvision",
    "opacus",
    "torch_pruning",
    "diffusers",
}  # packages of extras
TORCH_SIDE = {"train", "core/store", "core/torchvision_compat", "core/cpu", "pipeline", "generators"}


def _package(module: str) -> str:
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def _imports(module: str) -> set[str]:
    """The modules that a module imports anywhere, also inside functions: ours in full, others by their package."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {
                alias.name if alias.name in MODULES else alias.name.split(".")[0] for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            above = _package(module).split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            inner = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else base for name in inner}
    return {name if name in MODULES else name.split(".")[0] for name in found} - {module}


@cache
def imports() -> dict[str, set[str]]:
    """What each module imports."""
    return {module: _imports(module) for module in MODULES}


def _part(module: str) -> str:
    """A module's part: its folder, or the module itself where it has a rule of its own."""
    path = "/".join(module.split(".")[1:])
    return path if path in RULES else "/".join(_package(module).split(".")[1:])


def test_every_part_has_a_rule_and_every_rule_a_part() -> None:
    assert {_part(module) for module in MODULES} == set(RULES)


def test_the_top_of_the_package_can_be_read_at_a_glance() -> None:
    entries = sorted(path.name for path in ROOT.iterdir() if path.name != "__pycache__")
    assert len(entries) <= MOST_ENTRIES, entries


@pytest.mark.parametrize("part", RULES)
def test_imports_point_one_way(part: str) -> None:
    for module in (name for name in MODULES if _part(name) == part):
        inner = {_part(name) for name in imports()[module] if name in MODULES}
        wrong = inner - RULES[part] - {part}
        assert not wrong, f"{module} imports {wrong}"


def test_no_rule_points_upward() -> None:
    """The top folders have an order in which each imports those before it; `prepare` raises on a circle."""
    tops: dict[str, set[str]] = {}
    for part, allowed in RULES.items():
        top = part if part == "evaluation/selfcheck" else part.split("/")[0]
        below = {name if name == "evaluation/selfcheck" else name.split("/")[0] for name in allowed}
        tops.setdefault(top, set()).update(below - {top, ""})
    TopologicalSorter(tops).prepare()


def test_no_circle_between_modules() -> None:
    """A package's `__init__` is imported with each of its modules: only what it imports itself counts."""
    TopologicalSorter({m: names & MODULES.keys() for m, names in imports().items()}).prepare()


def _network_attacks() -> set[str]:
    """The base of the attacks that are torch networks, their layers, and the attacks built on them."""
    bases = {"leakbench.attacks._network", "leakbench.attacks._layers"}
    return bases | {module for module, names in imports().items() if "leakbench.attacks._network" in names}


def test_only_the_training_side_imports_torch() -> None:
    allowed = _network_attacks() | {"leakbench.defences._memguard_search"}
    assert len(allowed) >= 5 and allowed <= MODULES.keys()
    for module, names in imports().items():
        path = "/".join(module.split(".")[1:])
        torch_side = (
            path in TORCH_SIDE or _part(module).split("/")[0] in TORCH_SIDE or _part(module) in TORCH_SIDE
        )
        if module not in allowed and not torch_side:
            assert not TRAINING & names, module
    recipe = [names for module, names in imports().items() if _part(module) == "train/recipe"]
    assert recipe and not any("torch" in names for names in recipe)


def test_nothing_that_reads_files_can_run_code() -> None:
    for module, names in imports().items():
        text = MODULES[module].read_text()
        assert "allow_pickle=True" not in text, module
        assert "pickle" not in names or "Unpickler" in text, module
        assert not {"dill", "shelve", "marshal"} & names, module
        workers = text.count("from joblib.externals.loky import get_reusable_executor")  # which reads no file
        assert "joblib" not in names or (workers and text.count("joblib") == workers), module


def test_audit_imports_no_study_and_nothing_that_trains() -> None:
    code = "import sys, leakbench; leakbench.audit; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {
        "/".join(name.split(".")[1:2]) for name in out.stdout.split() if name.startswith("leakbench.")
    }
    assert {"evaluation", "attacks", "metrics", "data"} <= imported
    assert (
        not imported & {"pipeline", "defences", "generators", "train", "cli"}
        and "torch" not in out.stdout.split()
    )


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
        "from leakbench.pipeline.study import Study\n"
        "from leakbench.defences import DEFENCES\n"
        "study = Study.of({'data': {'name': 'digits'}, 'defences': DEFENCES.names(), 'attacks': ['lira', 'samia']})\n"
        "assert len(study.defences) == len(DEFENCES.names())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("code", ["import leakbench", "import leakbench.cli.app"])
def test_import_stays_light(code: str) -> None:
    """What takes long to import is imported by the command that needs it."""
    heavy = ["numpy", "scipy", "sklearn", "pyarrow", "matplotlib", "torch", "pydantic", "jinja2", "PIL"]
    check = f"{code}; import sys; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_errors_have_a_public_place() -> None:
    code = "from leakbench.errors import InputError; import leakbench.errors; assert InputError is leakbench.InputError"
    subprocess.run([sys.executable, "-c", code], check=True)
