"""Runs that are killed, disks that fill, bits that flip: nothing that was finished is lost, nothing wrong is read."""

import hashlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from leakbench.cli.app import main
from leakbench.core.results import Row
from leakbench.core.store.entry import JOB, _job_text
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study
from leakbench.report.results import Results

TABLE = {
    "data": {"name": "digits", "records": 400},
    "design": {"name": "random_half", "models": 4},
    "architecture": {"hidden": [16]},
    "stages": [{"epochs": 4}],
    "defences": ["none", "label_smoothing", {"name": "laplace_noise", "scale": 0.1}],
    "attacks": ["loss", "logistic_regression"],
    "metrics": ["auc"],
}
STUDY = """
data = {name = "digits", records = 600}
design = {name = "random_half", models = 8}
attacks = ["loss", "lira"]
metrics = ["auc"]
defences = ["label_smoothing", "rounding"]
group_size = 2
architecture = {hidden = [32]}
[[stages]]
epochs = 4
"""
KILLED = STUDY.replace("models = 8", "models = 96").replace(  # more than fifty kills let finish
    "epochs = 4", "epochs = 40"
)
KINDS = ("models", "signals", "released", "findings")


def _timeless(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not row.metric.startswith(("train_", "latency_"))]


def _entries(store: Path) -> dict[Path, int]:
    """When each entry was made."""
    files = [path for kind in KINDS for path in (store / kind).glob("*/job.json")]
    return {path: path.stat().st_mtime_ns for path in files}


def _arguments(tmp_path: Path, content: str = STUDY) -> list[str]:
    folders = ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    return ["run", str(_write(tmp_path, content)), *folders]


@pytest.mark.slow
def test_killed_at_fifty_random_moments_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Each run is killed, alone or with its worker, shortly after it has stored nothing or one entry."""
    study, store, rng = Study.load(_write(tmp_path, KILLED)), tmp_path / "store", np.random.default_rng(0)
    expected = run(study, tmp_path / "fresh")
    kept: dict[Path, int] = {}
    for _ in range(50):
        process = _started(tmp_path, KILLED)
        more = len(_stored(tmp_path)) + rng.integers(2)
        while len(_stored(tmp_path)) < more and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.3))
        assert process.poll() is None, "it ended before it could be killed fifty times"
        (os.killpg if rng.random() < 0.5 else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        now = _entries(store)
        assert kept.items() <= now.items()
        kept = now
    results = run(study, store)
    assert results.notes == expected.notes  # no entry was damaged
    assert _timeless(results.rows) == _timeless(expected.rows)
    assert kept.items() <= _entries(store).items()
    assert set(Counter(_stored(tmp_path)).values()) == {1}


def _started(tmp_path: Path, content: str) -> subprocess.Popen[bytes]:
    """A run that has begun to work, in a process group of its own."""
    log, events = tmp_path / "out" / "log.jsonl", '"event": "stage"'
    before = log.read_text().count(events) if log.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "leakbench", *_arguments(tmp_path, content), "--processes", "2"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not (log.exists() and log.read_text().count(events) > before):
        time.sleep(0.01)
    return process


def _stored(tmp_path: Path) -> list[tuple[str, str]]:
    """Kind and key of every entry that the runs say they have stored."""
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    return [(line["kind"], line["key"]) for line in lines if line["event"] == "stored"]


def _write(tmp_path: Path, content: str = STUDY) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(content)
    return path


def test_a_disk_that_fills_stops_it_cleanly_and_it_goes_on_with_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of a file stands in for a full disk: models fit below it, logits do not."""
    store, limits = tmp_path / "store", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (26_000, limits[1]))
    try:
        assert main([*_arguments(tmp_path), "--processes", "1"]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error: the store {store} cannot be written: File too large; ")
    kept = _entries(store)
    assert len(kept) == 16 and not list(store.glob("signals/*"))
    assert not (tmp_path / "out" / "report.html").exists()
    results = run(Study.load(_write(tmp_path)), store)
    assert kept.items() <= _entries(store).items()
    assert results.find(attack="lira", metric="auc", defence="rounding")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    store = tmp_path_factory.mktemp("store")
    return store, run(Study.of(TABLE), store)


def test_flipped_bits_are_named_and_only_those_entries_are_made_again(done: tuple[Path, Results]) -> None:
    store, results = done
    before, damaged = _entries(store), []
    for kind in KINDS:
        file = max((store / kind).glob("*/*"), key=lambda path: path.stat().st_size)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        damaged.append(file)
    again = run(Study.of(TABLE), store)
    assert _timeless(again.rows) == _timeless(results.rows)
    notes = [note for note in again.notes if note not in results.notes]
    assert all("to be made again" in note for note in notes)
    assert {note.partition(" is not as it was written")[0] for note in notes} == {*map(str, damaged)}
    after = _entries(store)
    assert after.keys() == before.keys()
    assert {path.parent for path in before if before[path] != after[path]} == {d.parent for d in damaged}
    assert not [note for note in run(Study.of(TABLE), store).notes if "not as it was written" in note]


def _array(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


FORGED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {  # by kind: a file, and what stands in its place
    "signals": ("logits.npy", lambda content: _array(np.zeros((1, 3, 10), np.float32))),
    "released": ("released.npy", lambda content: _array(np.full((1, 400, 10), "x"))),
    "findings": ("0.json", lambda content: content.replace(b'"metric": "auc"', b'"metric": [1]')),
    "scores": ("scores.npy", lambda content: _array(np.zeros(3))),
}


def test_forged_content_with_right_digests_is_named_and_made_again(done: tuple[Path, Results]) -> None:
    """Arrays of other shapes and types, tables of other types, a model whose log is a number."""
    store, results = done
    forged = []
    for kind, (name, forge) in FORGED.items():
        every = sorted((store / kind).glob("*"))
        for path in (
            every if kind == "findings" else every[:1]
        ):  # scores are read where findings are made again
            job, content = json.loads((path / JOB).read_text()), forge((path / name).read_bytes())
            (path / name).write_bytes(content)
            job["files"][name] = hashlib.sha256(content).hexdigest()
            (path / JOB).write_text(_job_text(job["spec"], job["meta"], job["files"]))
            forged.append(path)
    model = next((store / "models").glob("*"))
    job = json.loads((model / JOB).read_text())
    (model / JOB).write_text(_job_text(job["spec"], {"stages": 3}, job["files"]))
    again = run(Study.of(TABLE), store)
    assert _timeless(again.rows) == _timeless(results.rows)
    notes = [note for note in again.notes if note not in results.notes]
    said = {note.partition(" does not hold what leakbench writes there: ")[0] for note in notes}
    assert said == {*map(str, forged), str(model)}
