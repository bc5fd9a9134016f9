"""A store under a URL: what one machine makes others find, nobody makes it twice, damage and loss are mended."""

import errno
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem

from leakbench.core.errors import InputError, StoreError
from leakbench.core.log import logged_to
from leakbench.core.store import Store, objects, open_store
from leakbench.core.store.objects import ObjectStore
from leakbench.pipeline.run import run
from leakbench.pipeline.study import Study

SPEC = {"seed": 3, "data": "digits"}
FILES = {"a.npy": np.arange(5.0), "b.safetensors": {"w": np.eye(2, dtype=np.float32)}}


class Service(LocalFileSystem):
    """A folder that writes as a cloud's service does: an object is whole or not there, and is created once."""

    protocol = "service"

    def __init__(self, **options: object) -> None:
        super().__init__(auto_mkdir=True, **options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("service://"))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        written = Path(f"{path}.{secrets.token_hex(4)}")
        written.write_bytes(value)
        try:
            (os.link if mode == "create" else os.replace)(written, path)
        finally:
            written.unlink(missing_ok=True)


fsspec.register_implementation("service", Service, clobber=True)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"service://{tmp_path}/bucket/study"


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
    assert two.get("models", SPEC) is None and two.get("models", SPEC) is None
    (said,) = two.damaged
    assert "a.npy is not as it was written" in said
    other = machine(url, tmp_path, "other")
    assert other.get("models", SPEC) is None and not other.has("models", SPEC) and not other.damaged
    two.put("models", SPEC, FILES, {})
    assert machine(url, tmp_path, "three").get("models", SPEC) is not None


def test_an_object_that_is_taken_back_while_it_is_fetched_is_none(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(url, tmp_path, "one").put("models", SPEC, FILES, {})

    def gone(self: Service, path: str, to: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Service, "get_file", gone)
    two = machine(url, tmp_path, "two")
    assert two.get("models", SPEC) is None and not two.damaged and not list((tmp_path / "two/tmp").iterdir())


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


def test_who_has_slept_leaves_a_claim_to_the_one_who_took_it_over(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "LEASE", 0.3)
    one = machine(url, tmp_path, "one")
    claim = tmp_path / "bucket/study/claims" / f"models-{one.folder('models', SPEC).name}"
    with one.claim("models", SPEC):
        claim.write_bytes(objects._lease("another"))
        time.sleep(0.3)  # when it would have been renewed
        assert json.loads(claim.read_text())["holder"] == "another"
    assert json.loads(claim.read_text())["holder"] == "another"
    with one.claim("models", SPEC, wait=True):
        claim.unlink()  # another took it over, and is done


def test_a_service_may_say_in_words_of_its_own_that_an_object_is_there(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, create = machine(url, tmp_path, "one"), Service.pipe_file

    def refusing(self: Service, path: str, value: bytes, mode: str = "overwrite") -> None:
        try:
            create(self, path, value, mode)
        except FileExistsError:
            raise OSError(errno.EINVAL, "At least one of the preconditions did not hold") from None

    monkeypatch.setattr(Service, "pipe_file", refusing)
    two = machine(url, tmp_path, "two")
    assert two.identity == one.identity
    with one.claim("models", SPEC) as first, two.claim("models", SPEC) as second:
        assert first and not second


def test_a_claim_in_conflict_with_the_removal_of_another_is_tried_again_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, create, refused = machine(url, tmp_path, "one"), Service.pipe_file, [True, False, True, True]

    def busy(self: Service, path: str, value: bytes, mode: str = "overwrite") -> None:
        if refused.pop(0):
            raise OSError(errno.EIO, "a conflicting operation occurred")
        create(self, path, value, mode)

    monkeypatch.setattr(Service, "pipe_file", busy)
    with one.claim("models", SPEC) as mine:
        assert mine
    with pytest.raises(StoreError, match="a conflicting operation occurred"), one.claim("models", SPEC):
        pass


def test_a_claim_that_is_given_back_while_another_asks_for_it_is_no_error(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine(url, tmp_path, "one")

    def just_removed(self: Service, path: str, value: bytes, mode: str = "overwrite") -> None:
        raise FileExistsError(path)

    monkeypatch.setattr(Service, "pipe_file", just_removed)
    with one.claim("models", SPEC) as mine:
        assert not mine


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
attacks = ["loss"]
group_size = 4
defences = ["temperature"]
architecture = {hidden = [16]}
[[stages]]
epochs = 4
"""


def test_a_run_and_a_worker_with_caches_of_their_own_share_a_study(url: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    url = url.replace("service:", "file:")  # which the other process knows too
    command = [sys.executable, "-m", "leakbench", "work", str(file), "--store", url]
    helped = os.environ | {"LEAKBENCH_CACHE": str(tmp_path / "worker"), "OMP_NUM_THREADS": "1"}
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
        ("s3://", InputError, "must be a folder or a URL, got s3://: add a place, as in s3://bucket/study"),
        ("file:///", InputError, "must be a folder or a URL, got file:///: add a place"),
        ("file:///proc/version/x", StoreError, "the store file:///proc/version/x cannot be used: "),
        (
            "file:///proc/version/x",
            StoreError,
            "; check its URL, your credentials for it, and that the service",
        ),
    ],
)
def test_a_url_that_leads_nowhere(place: str, error: type, says: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEAKBENCH_CACHE", str(tmp_path))
    with pytest.raises(error, match=says):
        open_store(place)


def test_a_folder_is_a_store_as_before(tmp_path: Path) -> None:
    assert type(open_store(tmp_path / "store")) is Store
    assert open_store(tmp_path / "store").place == str((tmp_path / "store").resolve())
