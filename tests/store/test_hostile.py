"""An entry may come from anybody: what it lists cannot lead out of it, and what it holds hangs and executes nothing."""

import hashlib
import io
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakbench.core.errors import StoreError
from leakbench.core.store import Store
from leakbench.core.store.entry import JOB, _job_text
from leakbench.core.store.objects import ObjectStore

SPEC = {"seed": 3}


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def npy(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def headed(header: str) -> bytes:
    """An .npy file with this header, and 64 bytes of data."""
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)


def sealed(path: Path, files: object, meta: object = None, spec: object = None) -> None:
    """Write a job.json whose digest of itself is right, whatever it says."""
    text = _job_text(SPEC if spec is None else spec, {} if meta is None else meta, files)  # type: ignore[arg-type]
    (path / JOB).write_text(text)


def forged(store: Store, files: dict[str, bytes], **job: object) -> Path:
    """An entry whose digests are all right, with any content; a name may lead anywhere."""
    path = store.folder("models", SPEC)
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    sealed(path, {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}, **job)
    return path


def refused(store: Store, names: str) -> Path:
    """Where the entry of SPEC is set aside as damaged, for a reason that names a file; the store goes on."""
    before = len(store.damaged)
    assert store.get("models", SPEC) is None
    (said,) = store.damaged[before:]
    assert names in said and "to be made again" in said
    assert store.get("models", SPEC) is None
    entry = store.put("models", SPEC, {"a.npy": np.arange(3)}, {})
    assert entry.array("a.npy").tolist() == [0, 1, 2]
    return max((store.root / "damaged").iterdir(), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


PLACES = [
    "../../../secret.npy",
    "../" * 3 + "secret.npy",
    "/{root}/secret.npy",
    "sub/../../../../secret.npy",
    "./a.npy",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_path_out_of_the_entry_is_refused_though_its_digest_is_right(
    store: Store, tmp_path: Path, place: str
) -> None:
    (tmp_path / "secret.npy").write_bytes(npy(np.arange(3)))
    name = place.format(root=str(tmp_path).strip("/"))
    path = store.folder("models", SPEC)
    path.mkdir(parents=True)
    (path / "a.npy").write_bytes(npy(np.arange(3)))
    sealed(path, {name: hashlib.sha256(npy(np.arange(3))).hexdigest()})
    refused(store, JOB)
    assert (tmp_path / "secret.npy").read_bytes() == npy(np.arange(3))


@settings(max_examples=60, deadline=None)
@given(name=st.text(alphabet=st.sampled_from("./\\a\0~é\ud800-_ :*"), max_size=12) | st.text(max_size=8))
def test_only_a_plain_name_is_listed(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    path = store.folder("models", SPEC)
    path.mkdir(parents=True)
    sealed(path, {f"{name}.npy": "0" * 64, name: "0" * 64})
    refused(store, JOB)


@pytest.mark.parametrize(
    ("files", "meta", "spec"),
    [
        (["a.npy"], {}, SPEC), ("a.npy", {}, SPEC), (None, {}, SPEC), (3, {}, SPEC), ({"a.npy": 3}, {}, SPEC),
        ({"a.npy": "x"}, {}, SPEC), ({"job.json": "0" * 64}, {}, SPEC), ({}, [], SPEC), ({}, "x", SPEC), ({}, {}, [3]),
    ],
)  # fmt: skip
def test_wrong_types_in_job_json_are_refused(store: Store, files: object, meta: object, spec: object) -> None:
    path = store.folder("models", SPEC)
    path.mkdir(parents=True)
    sealed(path, files, meta, spec)
    refused(store, JOB)


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a":' * 100_000, "null", "[]", "NaN", "\ud800", "9" * 10_000, ""]
)
def test_no_job_json_of_any_kind_is_more_than_damage(store: Store, content: str) -> None:
    path = store.folder("models", SPEC)
    path.mkdir(parents=True)
    (path / JOB).write_bytes(content.encode("utf-8", "surrogatepass"))
    refused(store, JOB)


class Evil:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, ("touch executed",)


HEADERS = [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-8,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551616, 2), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (8,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': " + "(" * 60,
    "{'descr': '<f8', 'fortran_order': False, 'shape': 'x', }",
    "{'descr': " + "[" * 50 + "'<f8'" + "]" * 50 + "}",
    "{'''",
    "\x00",
]
MADE = {f"header {n}": ("a.npy", headed(header)) for n, header in enumerate(HEADERS)} | {
    "a pickle": ("a.npy", pickle.dumps(Evil())),
    "objects": ("a.npy", npy(np.array([Evil()]), allow_pickle=True)),
    "an archive": ("a.npy", b"PK\x03\x04" + bytes(60)),
    "half an array": ("a.npy", npy(np.arange(100.0))[:-8]),
    "a version to come": ("a.npy", b"\x93NUMPY\x09\x00" + npy(np.arange(3))[8:]),
    "no tensors": ("a.safetensors", b"\xff" * 64),
    "a header of 2^63": ("a.safetensors", (2**63).to_bytes(8, "little") + b"{}"),
    "a header that is no JSON": ("a.safetensors", (4).to_bytes(8, "little") + b"}}}}"),
    "tensors beyond the end": (
        "a.safetensors",
        (len(h := b'{"w":{"dtype":"F32","shape":[999],"data_offsets":[0,3996]}}')).to_bytes(8, "little") + h,
    ),
    "a type without numbers": (
        "a.safetensors",
        (len(h := b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}')).to_bytes(8, "little") + h + b"\0\0",
    ),
    "deep JSON": ("a.json", b"[" * 100_000),
    "no JSON": ("a.json", b"\xff\xfe\x00"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MADE)
def test_a_file_that_is_not_of_its_format_is_refused_though_its_digest_is_right(
    store: Store, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, content = MADE[kind]
    forged(store, {name: content})
    refused(store, name)
    assert not (tmp_path / "executed").exists()


def odd(path: Path, what: str, outside: Path) -> None:
    """Something that is no regular file."""
    path.unlink(missing_ok=True)
    match what:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(
                {"link": outside, "device": Path("/dev/zero"), "dangling": Path("/nowhere")}[what]
            )


@pytest.mark.parametrize("name", ["a.npy", JOB])
@pytest.mark.parametrize("what", ["pipe", "folder", "link", "device", "dangling"])
def test_what_is_no_regular_file_is_refused_and_not_opened(
    store: Store, tmp_path: Path, what: str, name: str
) -> None:
    path = forged(store, {"a.npy": npy(np.arange(3))})
    (tmp_path / "same").write_bytes((path / name).read_bytes())
    odd(path / name, what, tmp_path / "same")
    refused(store, str(path / name))
    assert (tmp_path / "same").exists()


@pytest.mark.parametrize("what", ["pipe", "file", "link", "dangling"])
def test_an_entry_that_is_no_folder_is_set_aside_and_what_it_points_to_stays(
    store: Store, tmp_path: Path, what: str
) -> None:
    other = Store(tmp_path / "elsewhere")
    whole = forged(other, {"a.npy": npy(np.arange(5))})
    path = store.folder("models", SPEC)
    path.parent.mkdir()
    path.write_text("mine") if what == "file" else odd(path, what, whole)
    aside = refused(store, f"{path} is not a folder")
    assert {each.name for each in aside.iterdir()} == {path.name, "why.txt"}
    assert {each.name for each in whole.iterdir()} == {"a.npy", JOB}


@pytest.mark.parametrize("what", ["link", "folder", "pipe"])
def test_the_reason_is_written_into_no_file_of_the_entry(store: Store, tmp_path: Path, what: str) -> None:
    path = forged(store, {"a.npy": b"no array"})
    (tmp_path / "mine").write_text("mine")
    odd(path / "why.txt", what, tmp_path / "mine")
    refused(store, "a.npy")
    assert (tmp_path / "mine").read_text() == "mine"


def test_what_is_in_the_folder_and_not_in_the_list_is_not_read(store: Store, tmp_path: Path) -> None:
    path = forged(store, {"a.npy": npy(np.arange(3))})
    (tmp_path / "secret.npy").write_bytes(npy(np.arange(5)))
    for name in ("b.npy", "c.safetensors", "d.json"):
        (path / name).symlink_to(tmp_path / "secret.npy")
    entry = store.get("models", SPEC)
    assert entry is not None and entry.files == {"a.npy"}
    for read, name in ((entry.array, "b.npy"), (entry.tensors, "c.safetensors"), (entry.plain, "d.json")):
        with pytest.raises(FileNotFoundError, match="no file of the entry"):
            read(name)


def test_what_is_in_the_folder_and_not_in_the_list_is_not_sent(tmp_path: Path) -> None:
    one = ObjectStore(f"file://{tmp_path}/bucket", tmp_path / "one")
    path = forged(one, {"a.npy": npy(np.arange(3))})
    (tmp_path / "secret").write_text("mine")
    (path / "b.npy").symlink_to(tmp_path / "secret")
    one.put("models", SPEC, {"a.npy": np.arange(3)}, {})
    assert {each.name for each in (tmp_path / "bucket" / "models" / path.name).iterdir()} == {"a.npy", JOB}


def test_content_that_is_not_what_is_written_there_is_damage_too(store: Store) -> None:
    def check(entry: object) -> None:
        raise KeyError("stages")

    forged(store, {"a.npy": npy(np.arange(3))})
    assert store.get("models", SPEC, check) is None
    assert "does not hold what leakbench writes there: KeyError: 'stages'" in store.damaged[0]
    with pytest.raises(StoreError, match="damaged though just written"):
        store.put("models", SPEC, {"a.npy": np.arange(3)}, {}, check)


def test_names_under_a_url_lead_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"file://{tmp_path}/bucket"
    path = ObjectStore(url, tmp_path / "one").put("models", SPEC, {"a.npy": np.arange(3)}, {}).path
    two = ObjectStore(url, tmp_path / "two")
    ls, asked = type(two._files).ls, []

    def hostile(self: object, place: str, **options: bool) -> list[str]:
        return [*ls(self, place, **options), f"{place}/..", f"{place}/../../x.npy/../../escaped"]

    def noted(self: object, source: str, target: str) -> None:
        asked.append(Path(target).name)
        Path(target).write_bytes(Path(source).read_bytes())

    monkeypatch.setattr(type(two._files), "ls", hostile)
    monkeypatch.setattr(type(two._files), "get_file", noted)
    assert two.get("models", SPEC) is not None
    assert sorted(asked) == ["a.npy", JOB] and path.exists()


@pytest.mark.parametrize(
    "claim",
    [b"[]", b"\xff", b'{"until": "never"}', b'{"until": 1e300}', b'{"until": Infinity}', b"{}", b"[" * 9999],
)
def test_a_claim_for_ever_is_none(tmp_path: Path, claim: bytes) -> None:
    store = ObjectStore(f"file://{tmp_path}/bucket", tmp_path / "one")
    place = tmp_path / "bucket" / "claims" / f"models-{store.folder('models', SPEC).name}"
    place.parent.mkdir()
    place.write_bytes(claim)
    with store.claim("models", SPEC, wait=True) as mine:
        assert mine
