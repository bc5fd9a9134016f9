"""Is this machine ready? Every check ends in a line, whatever is broken."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

MODULES = {"scikit-learn": "sklearn", "pillow": "PIL"}  # by package, where the name is another
REQUIREMENT = re.compile(r"^([A-Za-z0-9_.-]+)>=([0-9.]+)(?:; extra == ['\"]([a-z0-9]+)['\"])?$")
DEVELOPMENT = "dev"  # the extra of those who work on leakbench
IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        if name == "torchvision":
            from leakbench.core.torchvision_compat import prepare_torchvision
            prepare_torchvision()
        importlib.import_module(name)
        print(name, "ok", flush=True)
    except BaseException as error:
        print(name, type(error).__name__, " ".join(str(error).split())[:200], flush=True)
"""  # in another process: a broken package may end it
GPU = """
import torch
if not torch.cuda.is_available():
    print(f"none that torch {torch.__version__} can use")
for i in range(torch.cuda.device_count()):
    about = torch.cuda.get_device_properties(i)
    print(f"{about.name}, {about.total_memory / 1e9:.0f} GB")
"""
PATIENCE = 120  # seconds for another process
LITTLE_MEMORY, LITTLE_DISK = 2e9, 1e9  # bytes


@dataclass(frozen=True)
class Diagnosis:
    """One part of the machine, and whether it is as leakbench needs it."""

    part: str  # what was looked at
    status: Literal["ok", "note", "problem"]  # note: something optional is missing
    text: str  # what was found, and what to do about a problem


def doctor(data: str | None = None, store: str = "leakbench-store") -> list[Diagnosis]:
    """Check Python, the packages, the plug-ins, the CPU, the memory, the GPU, the data folder and the store.

    Args:
        data: The folder of the data sets. Default: what LEAKBENCH_DATA names.
        store: The folder of the store.

    Raises nothing: what cannot be checked is a problem of its own.
    """
    checks: dict[str, Callable[[], Iterator[Diagnosis]]] = {
        "python": _python,
        "packages": _packages,
        "plug-ins": _plugins,
        "cpu": _cpu,
        "memory": _memory,
        "gpu": _gpu,
        "temporary files": _temporary,
        "data": lambda: _data(data),
        "store": lambda: _store(store),
    }
    return [found for part, check in checks.items() for found in _guarded(part, check)]


def _guarded(part: str, check: Callable[[], Iterator[Diagnosis]]) -> list[Diagnosis]:
    try:
        return list(check())
    except Exception as error:
        return [Diagnosis(part, "problem", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")]


def _python() -> Iterator[Diagnosis]:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    enough = sys.version_info >= (3, 11)
    yield Diagnosis(
        "python", "ok" if enough else "problem", text + ("" if enough else "; leakbench needs 3.11")
    )


def _packages() -> Iterator[Diagnosis]:
    """Each package that leakbench names: whether it is there, new enough, and can be imported."""
    wanted: dict[str, tuple[str, list[str]]] = {}  # lowest version and extras, by name
    for text in metadata.requires("leakbench") or ():
        if (found := REQUIREMENT.match(text)) and found[3] != DEVELOPMENT:
            wanted.setdefault(found[1], (found[2], []))[1].extend(filter(None, [found[3]]))
    installed = {name: version for name in wanted if (version := _version(name)) is not None}
    imported = _imported([_module(name) for name in installed])
    for name, (lowest, extras) in wanted.items():
        fix = f"pip install -U '{name}>={lowest}'"
        failure = imported.get(_module(name), "")
        if name not in installed:
            what = f"missing; pip install 'leakbench[{extras[0]}]'" if extras else f"missing; {fix}"
            yield Diagnosis(name, "note" if extras else "problem", what)
        elif _parts(installed[name]) < _parts(lowest):
            yield Diagnosis(name, "problem", f"{installed[name]} is too old; {fix}")
        elif failure:
            again = f"pip install --force-reinstall {name}"
            yield Diagnosis(name, "problem", f"{installed[name]} cannot be imported ({failure}); {again}")
        else:
            yield Diagnosis(name, "ok", f"{installed[name]} (≥ {lowest})")


def _module(package: str) -> str:
    return MODULES.get(package, package.replace("-", "_"))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _parts(version: str) -> tuple[int, ...]:
    """The numbers of a version: (2, 13, 0) of 2.13.0+cpu."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _imported(modules: list[str]) -> dict[str, str]:
    """Why a module cannot be imported, by name; empty for one that can."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *modules],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
    )
    lines = (line.split(" ", 1) for line in done.stdout.splitlines() if line.split(" ", 1)[0] in modules)
    told = {name: "" if what == "ok" else what for name, what in lines}
    ended = f"the interpreter ended with code {done.returncode}"
    return {name: told.get(name, ended) for name in modules}


def _plugins() -> Iterator[Diagnosis]:
    """Whether every method can be loaded, those of other packages included."""
    from ..attacks import ATTACKS
    from ..core.registry import Registry, plural
    from ..data import DATASETS
    from ..defences import DEFENCES
    from ..generators import GENERATORS
    from ..metrics import METRICS

    registries: tuple[Registry[Any], ...] = (ATTACKS, DEFENCES, GENERATORS, METRICS, DATASETS)
    yield Diagnosis("plug-ins", "ok", ", ".join(f"{len(r.names())} {plural(r.kind)}" for r in registries))


def _cpu() -> Iterator[Diagnosis]:
    from ..core.cpu import cores, multiplies_bfloat16
    from ..core.provenance import hardware

    precision = "bfloat16" if multiplies_bfloat16() else "float32"
    text = f"{hardware()['cpu']}; {cores()} of {os.cpu_count()} cores may be used"
    yield Diagnosis("cpu", "ok", f"{text}; CNNs on large images train in {precision}")


def _memory() -> Iterator[Diagnosis]:
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        yield Diagnosis("memory", "note", "unknown: this system has no /proc/meminfo")
        return
    told = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    total, free = (float(told[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    text = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB available"
    little = "; attacks on large data need more, so end other programs" if free < LITTLE_MEMORY else ""
    yield Diagnosis("memory", "note" if little else "ok", text + little)


def _gpu() -> Iterator[Diagnosis]:
    if _version("torch") is None:
        yield Diagnosis("gpu", "note", "not looked for: torch is missing, which only training needs")
        return
    done = subprocess.run(
        [sys.executable, "-c", GPU], capture_output=True, text=True, errors="replace", timeout=PATIENCE
    )
    lines = done.stdout.splitlines() or [f"torch fails: {' '.join(done.stderr.split())[-200:]}"]
    for line in lines:
        missing = line.startswith("none") or done.returncode != 0
        yield Diagnosis("gpu", "note" if missing else "ok", line)


def _temporary() -> Iterator[Diagnosis]:
    folder = Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\0" * 4096)
    yield Diagnosis("temporary files", *_room(folder))


def _room(folder: Path) -> tuple[Literal["ok", "problem"], str]:
    """Whether a folder has room, and how much."""
    free = shutil.disk_usage(folder).free
    text = f"{folder}, {free / 1e9:.1f} GB free"
    return ("problem", f"{text}; make room") if free < LITTLE_DISK else ("ok", text)


def _data(given: str | None) -> Iterator[Diagnosis]:
    """The data sets that are in the folder."""
    from ..data import DATASETS
    from ..data.sets.base import data_folder

    folder = data_folder(given)
    if folder is None:
        yield Diagnosis(
            "data", "note", "no folder is set; set LEAKBENCH_DATA to the one of the known data sets"
        )
        return
    if not folder.is_dir():
        yield Diagnosis(
            "data", "problem", f"{folder} is no folder; make it, or set LEAKBENCH_DATA to another one"
        )
        return
    there = [name for name in DATASETS.names() if (folder / name).is_dir()]
    yield Diagnosis(
        "data", "ok" if os.access(folder, os.R_OK) else "problem", f"{folder}: {', '.join(there) or 'none'}"
    )


def _store(place: str) -> Iterator[Diagnosis]:
    """Whether a folder is a store, or may become one. Nothing in it is changed."""
    from ..core.store.owned import check_owned

    if "://" in place:
        yield Diagnosis("store", "note", f"{place} is not looked at: a run opens it")
        return
    folder = Path(place).absolute()
    check_owned(folder)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        yield Diagnosis(
            "store", "problem", f"{there} must be a folder that can be written; choose another store"
        )
        return
    status, room = _room(there)
    parts = sorted(path for path in folder.iterdir() if path.is_dir()) if there == folder else []
    counts = {path.name: sum(1 for _ in path.iterdir()) for path in parts}
    held = ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "no entries"
    yield Diagnosis("store", status, f"{place}: {held}; {room}")
