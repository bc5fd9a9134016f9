"""A store under a URL: what one machine makes others find, nobody makes it twice, damage and loss are mended."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest

from leakbench.errors import InputError, StoreError
from leakbench.log import logged_to
from leakbench.running import run
from leakbench.store import Store, objects, open_store
from leakbench.store.objects import ObjectStore
from leakbench.study import Study

SPEC = {"seed": 3, "data": "digits"}
FILES = {"a.npy": np.arange(5.0), "b.safetensors": {"w": np.eye(2, dtype=np.float32)}}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/bucket/study"


def machine(url: str, tmp_path: Path, name: str) -> ObjectStore:
    """The store as one machine sees it, whose copies are its own."""
    return ObjectStore(url, tmp_path / name)


def test_what_one_machine_puts_another_gets(url: str, tmp_path: Path) -> None:
    one, two = (machine(url, tmp_path, name) for name in ("one", "two"))
    assert one.identity == two.identity and two.get("models", SPEC) is None and not two.has("models", SPEC)
    one.put("models", SPEC, FILES, {"seconds": 2})
    assert two.has("models", SPEC)
    entry = two.get("models", SPEC)
    assert entry is not None and entry.meta == {"seconds": 2} and entry.path.is_relative_to(tmp_path / "two")
    np.testing.assert_array_equal(entry.array("a.npy"), FILES["a.npy"])
    assert not list((tmp_path / "two" / "tmp").iterdir())
    assert machine(f"{url}/other", tmp_path, "three").get("models", SPEC) is None


def test_in_memory_too(tmp_path: Path) -> None:
    machine("memory://bucket/a", tmp_path, "one").put("models", SPEC, FILES, {})
    assert machine("memory://bucket/a/", tmp_path, "two").get("models", SPEC) is not None
    assert fsspec.filesystem("memory").exists("/bucket/a/store.json")


def test_a_half_sent_entry_is_none(url: str, tmp_path: Path) -> None:
    one, two = (machine(url, tmp_path, name) for name in ("one", "two"))
    path = one.put("models", SPEC, FILES, {}).path
    os.remove(f"{tmp_path}/bucket/study/models/{path.name}/job.json")  # which is sent last
    assert two.get("models", SPEC) is None


def test_a_damaged_object_is_named_and_made_again(url: str, tmp_path: Path) -> None:
    one, two = (machine(url, tmp_path, name) for name in ("one", "two"))
    path = one.put("models", SPEC, FILES, {}).path
    there = tmp_path / "bucket/study/models" / path.name / "a.npy"
    there.write_bytes(there.read_bytes()[:-1] + b"\1")
    assert two.get("models", SPEC) is None
    assert "a.npy is not as it was written" in two.damaged[0]
    two.put("models", SPEC, FILES, {})
    assert machine(url, tmp_path, "three").get("models", SPEC) is not None


def test_a_damaged_copy_is_fetched_again(url: str, tmp_path: Path) -> None:
    one = machine(url, tmp_path, "one")
    file = one.put("models", SPEC, FILES, {}).path / "a.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    assert one.get("models", SPEC) is not None and "a.npy is not as it was written" in one.damaged[0]


def test_a_claim_holds_on_all_machines_and_is_given_back(url: str, tmp_path: Path) -> None:
    one, two = (machine(url, tmp_path, name) for name in ("one", "two"))
    others = SPEC | {"seed": 4}
    with one.claim("models", SPEC) as a, two.claim("models", SPEC) as b, two.claim("models", others) as c:
        assert (a, b, c) == (True, False, True)
    with two.claim("models", SPEC) as now:
        assert now
    assert not list((tmp_path / "bucket/study/claims").iterdir())


def test_a_lost_machine_s_claim_is_free_after_a_while_and_a_living_one_s_is_renewed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "LEASE", 0.6)
    one, two = (machine(url, tmp_path, name) for name in ("one", "two"))
    with one.claim("models", SPEC):
        time.sleep(1.5)
        with two.claim("models", SPEC) as mine:
            assert not mine
    lost = tmp_path / "bucket/study/claims" / f"models-{one.folder('models', SPEC).name}"
    lost.write_bytes(objects._lease("gone"))
    with two.claim("models", SPEC) as mine:
        assert not mine
    with two.claim("models", SPEC, wait=True) as mine:
        assert mine


def test_two_machines_make_each_entry_once(url: str, tmp_path: Path) -> None:
    made: list[int] = []
    specs = [SPEC | {"seed": seed} for seed in range(12)]

    def work(name: str) -> None:
        def make(i: int):
            made.append(i)
            time.sleep(0.01)
            return FILES, {}

        assert len(machine(url, tmp_path, name).shared("models", specs, make, lambda i, entry: None)) == 12

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(12))


STUDY = """
data = {name = "digits", records = 400}
design = {name = "random_half", models = 4}
attacks = ["loss", "lira"]
defences = ["label_smoothing"]
architecture = {hidden = [16]}
[[stages]]
epochs = 4
"""


def test_a_run_and_a_helper_with_caches_of_their_own_share_a_study(url: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    command = [sys.executable, "-m", "leakbench", "work", str(file), "--store", url]
    helped = os.environ | {"LEAKBENCH_CACHE": str(tmp_path / "helper"), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=helped, check=True, timeout=120)
    log = tmp_path / "log.jsonl"
    with pytest.MonkeyPatch.context() as here, logged_to(log):
        here.setenv("LEAKBENCH_CACHE", str(tmp_path / "here"))
        results = run(Study.load(file), url)
    assert '"event": "stored"' not in log.read_text()  # all was there
    expected = run(Study.load(file), tmp_path / "folder")
    times = ("train_", "latency_")
    assert [r for r in results.rows if not r.metric.startswith(times)] == [
        r for r in expected.rows if not r.metric.startswith(times)
    ]


@pytest.mark.parametrize(
    ("place", "error", "says"),
    [
        ("nowhere://x", InputError, "must be a folder or a URL, got nowhere://x: Protocol not known"),
        ("file:///proc/version/x", StoreError, "the store file:///proc/version/x cannot be used: "),
    ],
)
def test_a_url_that_leads_nowhere(place: str, error: type, says: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEAKBENCH_CACHE", str(tmp_path))
    with pytest.raises(error, match=says):
        open_store(place)


def test_a_folder_is_a_store_as_before(tmp_path: Path) -> None:
    assert type(open_store(tmp_path / "store")) is Store
    assert open_store(tmp_path / "store").place == str((tmp_path / "store").resolve())
