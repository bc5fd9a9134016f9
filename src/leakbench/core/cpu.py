"""The cores of this machine, and how processes and threads share them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from threadpoolctl import threadpool_limits


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed() -> int:
    """The number of threads of this process: torch's, which is a worker's share, or else one per core."""
    torch = sys.modules.get("torch")
    return cores() if torch is None else int(torch.get_num_threads())


@cache
def cpu_info() -> dict[str, str]:
    """The fields of /proc/cpuinfo for the last core; empty where there is no such file."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return {}
    lines = (line.partition(":") for line in cpuinfo.read_text(errors="replace").splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def multiplies_bfloat16() -> bool:
    """Whether this CPU has products of bfloat16 numbers (AVX512-BF16, AMX, or Arm's BF16)."""
    flags = f"{cpu_info().get('flags', '')} {cpu_info().get('Features', '')}".split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """All linear algebra of the block in n threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(n):
            yield
    finally:
        torch.set_num_threads(before)


def neighbours() -> int:
    """How many processes like this one the machine has room for, by the threads that this one has."""
    return max(1, cores() // allowed())
