"""The provenance of results: versions, hardware, seed, data, time."""

import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from .cpu import cpu_info

PACKAGES = (
    "leakbench", "numpy", "scipy", "scikit-learn", "pyarrow", "torch", "safetensors", "torch-pruning", "torchvision",
    "opacus", "diffusers",
)  # fmt: skip

VECTORS = {"avx512f": ", AVX-512", "avx2": ", AVX2"}  # by their flag, the widest first


class Clock:
    """Wall-clock and CPU time since it was made."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, Any]:
        """Start (ISO 8601, UTC), seconds of wall-clock and of CPU time."""
        return {
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self._wall, 2),
            "cpu_seconds": round(time.process_time() - self._cpu, 2),
        }


def provenance(
    clock: Clock,
    seed: int,
    data: dict[str, Any],
    parts: dict[str, dict[str, float]],
    attacks: str | Sequence[str | Mapping[str, Any]],
) -> dict[str, Any]:
    """The facts that reproduce a result, and the duration of each part of the work; `attacks` as they were named."""
    return {
        **clock.read(),
        "parts": parts,
        "command": command(sys.argv),
        "seed": seed,
        "attacks": [attacks] if isinstance(attacks, str) else list(attacks),
        "data": data,
        "versions": versions(),
        "hardware": hardware(),
    }


def command(argv: Sequence[str]) -> str:
    """The shell command that runs the program again.

    >>> print(command(["/usr/bin/leakbench", "run", "a b.toml", "--out", "report"]))
    leakbench run 'a b.toml' --out report
    """
    program = Path(argv[0])
    own = program.name == "__main__.py" and program.parent.name == "leakbench"  # python -m leakbench
    return shlex.join(["leakbench" if own else program.name, *argv[1:]])


@cache
def versions() -> dict[str, str]:
    """The versions of Python, of this library, and of the packages that it computes with."""
    return {"python": platform.python_version(), **_versions()}


def _versions() -> dict[str, str]:
    installed = {name: next(iter(metadata.distributions(name=name)), None) for name in PACKAGES}
    return {name: found.version for name, found in installed.items() if found}


def hardware() -> dict[str, Any]:
    """The system, the CPU, its number of cores, and the GPU that torch has used."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        **_gpu(),
    }


def _gpu() -> dict[str, str]:
    torch = sys.modules.get("torch")  # not imported by an audit
    used = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    return {"gpu": torch.cuda.get_device_name()} if torch is not None and used else {}


def _cpu() -> str:
    """The name of the CPU, its family (some machines hide the name), and its widest vectors."""
    about = cpu_info()
    flags = about.get("flags", "").split()
    vectors = next((name for flag, name in VECTORS.items() if flag in flags), "")
    name = about.get("model name", platform.processor() or "unknown")
    family = f" of family {about['cpu family']}" if "cpu family" in about else ""
    return name + family + vectors
