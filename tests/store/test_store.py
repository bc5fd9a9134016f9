import json
import os
import platform
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakbench.core.content_key import content_key
from leakbench.core.errors import StoreError
from leakbench.core.store import Store

SPEC = {"recipe": {"lr": 0.1, "hidden": (8, 4)}, "seed": 3}
FILES = {
    "weights.safetensors": {"layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3)},
    "logits.npy": np.linspace(0, 1, 7, dtype=np.float32),
    "log.json": b'{"epochs": 3}',
}
META = {"seconds": 1.5, "by epoch": {2: 1e-7, 10: 0.1}}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "a" / "store")


@pytest.fixture
def entry(store):
    return store.put("models", SPEC, FILES, META)


def temporary(store):
    return list((store.root / "tmp").iterdir())


def test_what_was_put_is_got(store, entry):
    got = store.get("models", SPEC)
    assert got == entry and got.path == store.root / "models" / content_key(SPEC)
    assert got.spec == {"recipe": {"lr": 0.1, "hidden": [8, 4]}, "seed": 3}
    assert got.meta == {"seconds": 1.5, "by epoch": {"2": 1e-7, "10": 0.1}}
    tensors = got.tensors("weights.safetensors")
    for name, array in FILES["weights.safetensors"].items():
        assert np.array_equal(tensors[name], array) and tensors[name].dtype == array.dtype
    logits = got.array("logits.npy")
    assert isinstance(logits, np.memmap) and np.array_equal(logits, FILES["logits.npy"])
    with pytest.raises(ValueError, match="read-only"):
        logits[0] = 1
    assert temporary(store) == []


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("models", SPEC | {"seed": 4}),
        ("models", SPEC | {"seed": 3.0}),
        ("models", SPEC | {"x": 0}),
        ("signals", SPEC),
    ],
)
def test_anything_else_misses(store, entry, kind, spec):
    assert store.get(kind, spec) is None


def test_the_first_put_wins(store, entry):
    again = store.put("models", SPEC, {"logits.npy": np.zeros(2)}, {})
    assert again == entry and len(again.array("logits.npy")) == 7
    assert temporary(store) == []


@pytest.mark.parametrize("name", ["job.json", "weights.safetensors", "logits.npy", "log.json"])
def test_every_flipped_byte_is_found_and_named(store, entry, name):
    file = entry.path / name
    whole = file.read_bytes()
    for i in range(len(whole)):
        file.write_bytes(whole[:i] + bytes([whole[i] ^ (1 << i % 8)]) + whole[i + 1 :])
        assert store.get("models", SPEC) is None
        said, (aside,) = store.damaged[-1], (store.root / "damaged").iterdir()
        assert f"it was set aside as {aside}, to be made again" in said and "\n" not in said
        assert str(file) in said
        assert not entry.path.exists()
        aside.rename(entry.path)
    file.write_bytes(whole)
    assert store.get("models", SPEC) == entry


@pytest.mark.parametrize("name", ["job.json", "logits.npy"])
def test_a_missing_or_shortened_file_is_named(store, entry, name):
    file = entry.path / name
    file.write_bytes(file.read_bytes()[:-1])
    assert store.get("models", SPEC) is None
    assert re.search(f"{file} is .*not as it was written", store.damaged[0])
    entry.path.mkdir()
    assert store.get("models", SPEC) is None
    assert len(store.damaged) == 2
    assert any(f"{entry.path / 'job.json'} is missing" in said for said in store.damaged)
    assert Store(store.root).damaged == []  # of which those know who were there


def test_a_damaged_entry_is_made_again_and_the_others_stay(store, entry):
    other = store.put("models", {"seed": 4}, FILES, META)
    (entry.path / "logits.npy").write_bytes(b"")
    made = store.once("models", SPEC, lambda: (FILES, META))
    assert made == entry and len(made.array("logits.npy")) == 7
    assert store.get("models", {"seed": 4}) == other
    assert len(store.damaged) == 1 and "logits.npy" in store.damaged[0]


def test_a_damaged_entry_is_not_hidden_by_a_put(store, entry):
    (entry.path / "logits.npy").write_bytes(b"")
    with pytest.raises(StoreError, match="is damaged though just written"):
        store.put("models", SPEC, FILES, META)


def test_who_finds_damage_after_another_made_it_again_gets_the_new_one(store, entry, monkeypatch):
    """Two processes find the same damage; the first has set it aside and made it again before the second acts."""
    (entry.path / "logits.npy").write_bytes(b"")
    second, locked = Store(store.root), Store._locked

    def late(self, name, wait):
        monkeypatch.setattr(Store, "_locked", locked)
        assert store.get("models", SPEC) is None
        store.put("models", SPEC, FILES, META)
        return locked(self, name, wait)

    monkeypatch.setattr(Store, "_locked", late)
    assert second.get("models", SPEC) == entry
    assert len(store.damaged) == 1 and second.damaged == store.damaged


def test_another_spec_under_the_key_shows_the_difference(store, entry):
    other = {"recipe": {"lr": 0.2, "hidden": (8, 4)}, "seed": 3, "new": True}
    entry.path.rename(entry.path.parent / content_key(other))
    with pytest.raises(StoreError) as error:
        store.get("models", other)
    assert "recipe.lr: wanted 0.2, stored 0.1" in str(error.value)
    assert "new: wanted true, stored nothing" in str(error.value)
    assert "hidden" not in str(error.value) and "seed" not in str(error.value)
    with pytest.raises(StoreError, match=f"holds the entry {content_key(SPEC)}"):
        list(store.entries("models"))


def test_only_what_executes_nothing_is_written(store):
    for name in ("weights.pt", "a/b.npy", "../b.npy", "npy", "job.json"):
        with pytest.raises(TypeError, match="file of the store"):
            store.put("models", SPEC, {name: np.zeros(1)}, {})
    with pytest.raises(ValueError, match="Object arrays"):
        store.put("models", SPEC, {"a.npy": np.array([object()])}, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.put("models", SPEC, FILES, {"loss": float("nan")})
    assert store.get("models", SPEC) is None and temporary(store) == []


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(spec=st.dictionaries(st.text(), PLAIN), meta=st.dictionaries(st.text(), PLAIN))
def test_any_plain_spec_and_meta_come_back(tmp_path_factory, spec, meta):
    store = Store(tmp_path_factory.mktemp("store"))
    store.put("signals", spec, {}, meta)
    entry = store.get("signals", spec)
    assert entry.spec == spec and entry.meta == meta


def test_unwritable_folders_are_named_on_opening(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=f"the store {root} cannot be written: ") as error:
            Store(root)
        assert "\n" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        Store(tmp_path / "store")


FULL = """
import resource, sys
import numpy as np
from leakbench.core.errors import StoreError
from leakbench.core.store import Store

store = Store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    store.put("models", {"seed": 1}, {"a.npy": np.zeros(10), "b.npy": np.zeros(1000)}, {})
except StoreError as error:
    print(error)
"""


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_a_write_that_the_system_refuses_leaves_nothing(store):
    """A limit on the size of a file stands in for a full disk: both make the write itself fail."""
    out = run(FULL, store.root).stdout
    assert (
        out.startswith(f"the store {store.root} cannot be written: File too large; ") and out.count("\n") == 1
    )
    assert temporary(store) == [] and list(store.entries("models")) == []


ENDLESS = """
import sys
import numpy as np
from leakbench.core.store import Store

store = Store(sys.argv[1])
print("ready", flush=True)
n = 0
while True:
    n += 1
    arrays = {f"w{i}": np.full(20_000, n + i, np.float32) for i in range(4)}
    store.put("models", {"n": n}, {"weights.safetensors": arrays, "logits.npy": arrays["w1"]}, {"n": n})
"""


def whole(entry):
    """Whether a verified entry of the endless writers holds what they wrote."""
    n = entry.meta["n"]
    arrays = entry.tensors("weights.safetensors")
    return entry.spec == {"n": n} and all((arrays[f"w{i}"] == n + i).all() for i in range(4))


def test_killed_at_any_moment_only_whole_entries_are_visible(tmp_path):
    """Two writers of the same keys, killed four times; a reader looks on all the while."""
    rng = np.random.default_rng(0)
    store = Store(tmp_path)
    seen, left_over = 0, 0
    for _ in range(4):
        command = [sys.executable, "-c", ENDLESS, str(tmp_path)]
        writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            writer.stdout.readline()
        until = time.monotonic() + rng.uniform(0.1, 0.4)
        n = seen + 1
        while time.monotonic() < until or n < seen + 3:
            assert all(writer.poll() is None for writer in writers)
            if entry := store.get("models", {"n": n}):  # looked at in the moment when it becomes visible
                assert whole(entry)
                n += 1
        for writer in writers:
            writer.kill()
            writer.communicate()
        left_over += len(temporary(store))
        store = Store(tmp_path)
        assert temporary(store) == []
        entries = list(store.entries("models"))
        assert all(store.get("models", entry.spec) == entry and whole(entry) for entry in entries)
        assert len(entries) >= seen
        seen = len(entries)
    assert seen > 4
    assert left_over > 0  # at least one was hit in the middle of a put


INTERRUPTED = """
import gc, sys, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from leakbench.core.store import Store

store = Store(sys.argv[1])
entry = store.put("signals", {}, {"logits.npy": np.zeros((2, 3, 4))}, {})
gc.callbacks.append(lambda *_: time.sleep(1e-5))  # lets another thread go on, in the middle of what needs memory
gc.set_threshold(5)
with ThreadPoolExecutor(4) as pool:
    arrays = list(pool.map(lambda _: entry.array("logits.npy"), range(3000)))
assert all(a.shape == (2, 3, 4) for a in arrays)
"""


def test_arrays_are_read_in_threads(tmp_path):
    """Of 3,000 headers that NumPy parses while other threads do, CPython 3.11 loses some in "SystemError: AST ..."."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_opening_removes_what_is_old_or_whose_owner_is_dead(store):
    tmp = store.root / "tmp"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host, token = platform.node(), "0123456789abcdef"
    swept = {
        f"{host}_{dead.pid}_{token}",
        f"{host}_{10**30}_{token}",
        old := f"other_{dead.pid}_{token}",
    }
    kept = {f"{host}_{os.getpid()}_{token}", f"other.{host}_{dead.pid}_{token}"}
    strange = {"my-thesis", "thesis_2025_01", f"{host}_{dead.pid}_ab"}
    for name in swept | kept | strange:
        (tmp / name).mkdir()
        (tmp / name / "logits.npy").write_bytes(b"half")
    for name in [old, *strange]:
        os.utime(tmp / name, (0, time.time() - 2 * 86_400))
    Store(store.root)
    assert {path.name for path in tmp.iterdir()} == kept | strange


def test_job_json_is_for_people_too(entry):
    job = json.loads((entry.path / "job.json").read_text())
    assert job["schema"] == "leakbench-store-1" and job["spec"]["seed"] == 3
    assert set(job["files"]) == set(FILES)
