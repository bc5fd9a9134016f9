"""Time and memory of an audit against the number of models and of records, each in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

VIEWS = 2
ATTACKS = "loss,attack_r,calibration,rmia,lira,lira_offline"
AUDIT = """
import json, resource, sys, time
import leakbench
began = time.perf_counter()
leakbench.audit(sys.argv[1], attacks=sys.argv[2].split(","))
took = time.perf_counter() - began
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10]))
"""
MODELS, RECORDS = (16, 32, 64, 128, 256), (1000, 10_000, 100_000, 1_000_000)
AT_RECORDS, AT_MODELS = 100_000, 64  # of the other, where one is varied


def lines() -> Iterator[str]:
    """A row for each size, and the exponents of the curves through them."""
    yield "| shadow models | records | losses on disk, MB | to read them, s | audit, s | resident at the height, MB |"
    yield "|---|---|---|---|---|---|"
    by_models = [(m, *audited(m, AT_RECORDS)) for m in MODELS]
    by_records = [(n, *audited(AT_MODELS, n)) for n in RECORDS]
    for m, *found in by_models:
        yield row(m, AT_RECORDS, *found)
    for n, *found in by_records:
        yield row(AT_MODELS, n, *found)
    yield ""
    for what, curve in (("models", by_models), ("records", by_records)):
        whole, end = growth(what, curve), growth(what, curve[-2:])
        yield f"- Against {what}, {whole}; where most of it is no longer the start, {end}."


def growth(what: str, curve: list[tuple[float, ...]]) -> str:
    """The exponents of time and memory against the size."""
    size, _, _, took, memory = zip(*curve, strict=True)
    return (
        f"from {size[0]:,} to {size[-1]:,}: time as {what} to the power {exponent(size, took):.2f}, "
        f"memory to the power {exponent(size, memory):.2f}"
    )


def row(models: int, records: int, megabytes: float, reading: float, took: float, memory: float) -> str:
    """A line of the table."""
    return f"| {models} | {records:,} | {megabytes:.0f} | {reading:.2f} | {took:.1f} | {memory:.0f} |"


def audited(models: int, records: int) -> tuple[float, float, float, float]:
    """Megabytes of losses, seconds to read them, seconds of the audit, and its highest resident memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        megabytes = write(Path(folder), models, records)
        began = time.perf_counter()
        for m in range(models):
            np.array(np.load(Path(folder) / "shadow_losses.npy", mmap_mode="r")[m])
        reading = time.perf_counter() - began
        command = [sys.executable, "-c", AUDIT, folder, ATTACKS]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    took, memory = json.loads(done.stdout)
    return megabytes, reading, took, memory


def write(folder: Path, models: int, records: int) -> float:
    """The losses of a target and its shadow models in an audit folder; their megabytes."""
    rng = np.random.default_rng(0)
    half = rng.random((models // 2, records)) < 0.5
    members = rng.random(records) < 0.5
    np.save(folder / "members.npy", members)
    np.save(folder / "shadow_members.npy", np.concatenate([half, ~half]))
    hard = rng.exponential(size=records).astype(np.float32)
    np.save(folder / "losses.npy", outputs(rng, hard, members))
    losses = np.lib.format.open_memmap(
        folder / "shadow_losses.npy", "w+", np.float32, (models, VIEWS, records)
    )
    for m in range(models):
        losses[m] = outputs(rng, hard, half[m] if m < models // 2 else ~half[m - models // 2])
    losses.flush()
    return losses.nbytes / 2**20


def outputs(rng: np.random.Generator, hard: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Losses [V, N] that are lower for members."""
    return (hard * rng.exponential(np.where(members, 0.7, 1.0), size=(VIEWS, hard.size))).astype(np.float32)


def exponent(size: tuple[float, ...], value: tuple[float, ...]) -> float:
    """The slope of log value over log size."""
    return float(np.polyfit(np.log(size), np.log(value), 1)[0])
