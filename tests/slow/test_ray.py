"""A real Ray cluster of two nodes on this machine, one of which is killed in the middle."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from leakbench.cli.app import main
from leakbench.core.results import Row
from leakbench.core.store import Store
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("ray") is None, reason="needs ray")]

HOST = "127.0.0.2"  # Ray takes 127.0.0.1 for the machine's outer address
STUDY = """
data = {name = "digits", records = 600}
design = {name = "random_half", models = 16}
attacks = ["loss", "lira"]
defences = ["label_smoothing", "rounding"]
group_size = 1
architecture = {hidden = [256, 128]}
[[stages]]
epochs = 240
"""


def _environment() -> dict[str, str]:
    return os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}


@contextmanager
def _node(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A node in a process group of its own, all of which is killed at the end."""
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        f"--node-ip-address={HOST}",
        "--num-cpus=1",
    ]
    node = subprocess.Popen(
        [*command, *options, "--block"],
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield node
    finally:
        _kill(node)


def _kill(node: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


def _free_port() -> int:
    """Ray's own workers take 10,002 to 19,999."""
    return next(port for port in range(21_000, 22_000) if not _answers(port))


def _answers(port: int) -> bool:
    with socket.socket() as each:
        return each.connect_ex((HOST, port)) == 0


@pytest.fixture
def cluster() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a cluster of two nodes, and the second of them."""
    port = _free_port()
    with _node("--head", f"--port={port}", "--include-dashboard=false"):
        _wait_for(lambda: _answers(port), 60)
        with _node(f"--address={HOST}:{port}") as second:
            yield f"{HOST}:{port}", second


def _wait_for(condition: object, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.1)


def _lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _timeless(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not row.metric.startswith(("train_", "latency_"))]


def test_a_node_that_is_killed_costs_nothing_that_was_finished(
    tmp_path: Path, cluster: tuple[str, subprocess.Popen[bytes]]
) -> None:
    address, second = cluster
    study, out, store = tmp_path / "study.toml", tmp_path / "out", tmp_path / "store"
    study.write_text(STUDY)
    command = [sys.executable, "-m", "leakbench", "run", str(study), "--store", str(store), "--out", str(out)]
    with subprocess.Popen(
        [*command, "--executor", "ray", "--address", address, "--processes", "2"],
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        log = out / "log.jsonl"

        def helped() -> bool:
            trained = {line["process"] for line in _lines(log) if line["event"] == "trained"}
            return len(trained - {process.pid}) == 2 or process.poll() is not None

        _wait_for(helped, 120)
        assert process.poll() is None, "the study was over before both nodes had helped"
        _kill(second)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    made = Counter((line["kind"], line["key"]) for line in _lines(log) if line["event"] == "stored")
    assert set(made.values()) == {1} and sum(kind == "models" for kind, _ in made) == 32
    assert len(list(Store(store).entries("models"))) == 32
    found, alone = (run(Study.load(study), folder) for folder in (store, tmp_path / "alone"))
    assert _timeless(found.rows) == _timeless(alone.rows)


def test_no_cluster_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    folders = ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    code = main(["run", str(study), *folders, "--executor", "ray", "--address", f"{HOST}:{_free_port()}"])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert code == 2 and "there is no Ray cluster" in line
