"""S3's protocol: a server on this machine, through which processes with caches of their own share a study."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from calendar import timegm
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import pytest

from leakbench.core.results import Row
from leakbench.core.store import Store
from leakbench.core.store.objects import LEASE
from leakbench.report.results import Results

MISSING = find_spec("s3fs") is None or find_spec("moto") is None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING, reason="needs s3fs and moto[server]")]

HOST = "127.0.0.1"
STUDY = """
data = {name = "digits", records = 600}
design = {name = "random_half", models = 8}
attacks = ["loss", "lira"]
defences = ["label_smoothing"]
group_size = 1
architecture = {hidden = [256, 128]}
[[stages]]
epochs = 240
"""
MODELS = 16  # 8 without a defence, 8 with


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server, which forgets all at the end."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with (tmp_path_factory.mktemp("server") / "said").open("w") as said, _process(command, None, said):
        _wait_for(lambda: _answers(port), 60)
        yield f"http://{HOST}:{port}"


def _answers(port: int) -> bool:
    with socket.socket() as each:
        return each.connect_ex((HOST, port)) == 0


def _wait_for(condition: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@contextmanager
def _process(
    command: list[str], environment: dict[str, str] | None, said: TextIO
) -> Iterator[subprocess.Popen[str]]:
    """A process that speaks into a file, killed at the end if it is still there."""
    with subprocess.Popen(command, env=environment, text=True, stdout=said, stderr=said) as process:
        try:
            yield process
        finally:
            process.kill()


class Bucket:
    """A bucket, and the processes that share a study through it. Each has a folder of its own for cache and log."""

    def __init__(self, server: str, name: str, folder: Path) -> None:
        from s3fs import S3FileSystem

        self.url, self.folder, self._server = f"s3://{name}/study", folder, server
        self.files = S3FileSystem(
            key="any", secret="any", endpoint_url=server, use_listings_cache=False, skip_instance_cache=True
        )
        self.files.makedirs(name, exist_ok=True)
        self.study = folder / "study.toml"
        self.study.write_text(STUDY)

    def environment(self, name: str) -> dict[str, str]:
        """One without whatever else is set up here for S3."""
        others = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return others | {
            "AWS_ENDPOINT_URL": self._server,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": HOST,
            "LEAKBENCH_CACHE": str(self.folder / name / "cache"),
            "OMP_NUM_THREADS": "1",
        }

    @contextmanager
    def worker(self, name: str) -> Iterator[subprocess.Popen[str]]:
        """A worker, which has claimed its first model when the block begins."""
        own = self.folder / name
        own.mkdir()
        command = [sys.executable, "-m", "leakbench", "work", str(self.study), "--store", self.url]
        command += ["--log", str(own / "log.jsonl")]
        with (own / "said").open("w") as said, _process(command, self.environment(name), said) as worker:
            _wait_for(lambda: self.claims() or worker.poll() is not None, 120)
            yield worker

    def run(self, name: str, store: str | None = None) -> Results:
        """What a run finds, on a store of its own if one is given."""
        out = self.folder / name
        done = self.command(
            self.environment(name), "run", "--store", store or self.url, "--out", str(out), "--processes", "1"
        )
        assert done.returncode == 0, done.stderr
        return Results.load(out)

    def command(
        self, environment: dict[str, str], verb: str, *options: str
    ) -> subprocess.CompletedProcess[str]:
        """What a command about the study did; a warning is an error in it."""
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "leakbench", verb, str(self.study), *options],
            env=environment, capture_output=True, text=True, timeout=400,
        )  # fmt: skip

    def said(self, name: str, event: str) -> list[dict[str, Any]]:
        """What a process logged of an event."""
        log = self.folder / name / "log.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line for line in lines if line["event"] == event]

    def trained(self, *names: str) -> list[str]:
        return [line["key"] for name in names for line in self.said(name, "trained")]

    def claims(self) -> set[str]:
        """The keys of the models that are claimed."""
        found = self.files.glob(f"{self.url}/claims/models-*")
        return {path.rpartition("-")[2] for path in found}

    def downloaded(self) -> Store:
        """The bucket's entries as a store in a folder."""
        there = self.folder / "downloaded"
        self.files.get(self.url, str(there), recursive=True)
        return Store(there)


@pytest.fixture(scope="module")
def bucket(server: str, tmp_path_factory: pytest.TempPathFactory) -> Bucket:
    """One on which a run and a worker have done the study together."""
    bucket = Bucket(server, "shared", tmp_path_factory.mktemp("shared"))
    with bucket.worker("worker") as worker:
        bucket.run("run")
        assert worker.wait(60) == 0, (bucket.folder / "worker" / "said").read_text()
    return bucket


def _timeless(results: Results) -> list[Row]:
    return [row for row in results.rows if not row.metric.startswith(("train_", "latency_"))]


def test_a_run_and_a_worker_find_what_one_finds_alone_and_make_each_entry_once(bucket: Bucket) -> None:
    shares = [bucket.trained(name) for name in ("run", "worker")]
    assert all(shares) and sum(map(len, shares)) == MODELS
    made = Counter((e["kind"], e["key"]) for name in ("run", "worker") for e in bucket.said(name, "stored"))
    store = bucket.downloaded()
    kinds = {kind for kind, _ in made}
    there = {(kind, entry.path.name) for kind in kinds for entry in store.entries(kind)}  # verified
    assert set(made.values()) == {1} and set(made) == there and {"models", "signals", "findings"} <= kinds
    assert not bucket.claims()
    alone = bucket.run("alone", str(store.root.with_name("alone-store")))
    assert _timeless(Results.load(store.root.with_name("run"))) == _timeless(alone)


def test_a_run_elsewhere_makes_nothing_again(bucket: Bucket) -> None:
    bucket.run("elsewhere")
    assert bucket.said("elsewhere", "run") and not bucket.said("elsewhere", "stored")


def test_a_damaged_object_is_named_once_and_that_entry_alone_is_made_again(bucket: Bucket) -> None:
    key = min(bucket.trained("run", "worker"))
    path = f"{bucket.url}/models/{key}/weights.safetensors"
    whole = bucket.files.cat_file(path)
    bucket.files.pipe_file(path, whole[:-1] + bytes([whole[-1] ^ 1]))
    results = bucket.run("mended")
    (said,) = bucket.said("mended", "damaged")
    assert f"{key}/weights.safetensors is not as it was written" in said["why"]
    assert results.notes.count(said["why"]) == 1
    assert [(e["kind"], e["key"]) for e in bucket.said("mended", "stored")] == [("models", key)]
    assert bucket.files.cat_file(path) == whole
    bucket.run("after")
    assert not bucket.said("after", "damaged") and not bucket.said("after", "stored")


def test_what_a_killed_worker_had_claimed_is_made_by_the_run(server: str, tmp_path: Path) -> None:
    bucket = Bucket(server, "killed", tmp_path)
    with bucket.worker("worker") as worker:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    died = time.time()
    lost = bucket.claims() - set(bucket.trained("worker"))
    assert lost
    bucket.run("run")
    taken = [line for line in bucket.said("run", "trained") if line["key"] in lost]
    assert {line["key"] for line in taken} == lost
    renewed = died - LEASE / 3  # at the earliest
    assert all(_seconds(line["time"]) > renewed + LEASE for line in taken)
    assert Counter(bucket.trained("run", "worker")).most_common(1)[0][1] == 1
    assert len(bucket.trained("run", "worker")) == MODELS and not bucket.claims()


@pytest.mark.parametrize(
    ("store", "environment", "says"),
    [
        ("s3://nowhere/study", {}, "The specified bucket does not exist"),
        (
            "s3://refused/study",
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "Unable to locate credentials",
        ),
        (
            "s3://refused/study",
            {"AWS_ENDPOINT_URL": f"http://{HOST}:9"},
            "Could not connect to the endpoint URL",
        ),
    ],
)
def test_a_bucket_that_cannot_be_used_is_one_clear_line(
    server: str, tmp_path: Path, store: str, environment: dict[str, str], says: str
) -> None:
    bucket = Bucket(server, "refused", tmp_path)
    here = bucket.environment("run") | {"AWS_EC2_METADATA_DISABLED": "true"} | environment
    done = bucket.command(here, "run", "--store", store, "--out", str(tmp_path / "out"))
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and line.startswith(f"error: the store {store} cannot be used: ")
    assert says in line and line.endswith(
        "; check its URL, your credentials for it, and that the service can be reached"
    )


def _seconds(moment: str) -> float:
    return float(timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")))
