"""A store touches only what is its own: no folder that is none, no name that is not ours, nothing beyond a link."""

import json
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from leakbench.cli.app import main
from leakbench.core.errors import StoreError
from leakbench.core.store import Store, open_store
from leakbench.core.store.objects import ObjectStore

SPEC, FILES = {"seed": 3}, {"a.npy": np.arange(5.0)}
STUDY = 'data = {name = "digits", records = 200}\ndefences = ["none"]\n'
DEAD = f"{platform.node()}_{10**9}_0123456789abcdef"


def tree(root: Path) -> dict[str, object]:
    """Everything below a folder, as it is: links as links."""
    found = {}
    for path in sorted(root.rglob("*")):
        about: object = path.lstat().st_mtime_ns
        if path.is_symlink():
            about = os.readlink(path)
        elif path.is_file():
            about = path.read_bytes()
        found[path.relative_to(root).as_posix()] = about
    return found


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")
        os.utime((root / name).parent, (0, 0))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with files of a person in folders of the same names as a store's."""
    write(
        tmp_path / "home", "tmp/my-thesis/chapter.tex", "locks/passwords.kdbx", f"tmp/{DEAD}/x", "notes.txt"
    )
    return tmp_path / "home"


@pytest.mark.parametrize(
    "command", [["run", "--out", "report"], ["run", "--out", "report", "--dry-run"], ["work"]]
)
def test_a_home_folder_is_no_store(
    home: Path, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    before = tree(home)
    name, *options = command
    if options:
        options[1] = str(tmp_path / "report")
    assert main([name, str(tmp_path / "study.toml"), "--store", str(home), *options]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"error: a store must have a place of its own, but {home} holds 'locks', which is no part of a store; "
        f"choose an empty place, such as {home}/leakbench-store\n"
    )
    assert tree(home) == before and not (tmp_path / "report").exists()


def test_in_a_home_folder_that_was_made_a_store_before_only_our_names_are_swept(home: Path) -> None:
    identity = {"schema": "leakbench-store-1", "identity": "0123456789abcdef"}
    (home / "store.json").write_text(json.dumps(identity))
    lock = "models-0123456789abcdef0123456789abcdef"
    (home / "locks" / lock).write_text("")
    for name in ("store", f"damaged-{lock}"):
        write(home, f"locks/{name}")
    before = tree(home)
    assert Store(home).identity == "0123456789abcdef"
    gone = before.keys() - tree(home).keys()
    assert gone == {f"tmp/{DEAD}", f"tmp/{DEAD}/x", f"locks/{lock}"}


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize("name", ["tmp", "locks", "damaged", "models"])
def test_a_link_in_the_place_of_a_folder_leads_nowhere(
    tmp_path: Path, home: Path, name: str, dry: bool
) -> None:
    root = tmp_path / "store"
    Store(root)
    if (root / name).exists():
        (root / name).rmdir()
    (root / name).symlink_to(home / "tmp")
    before = tree(tmp_path)
    with pytest.raises(StoreError, match=f"must lie in it, but {root / name} is a link; remove it"):
        Store(root, dry).get("models", SPEC)
    if name != "models":
        assert tree(tmp_path) == before
    assert (home / "tmp" / DEAD / "x").exists()


def test_links_within_our_folders_are_not_followed(tmp_path: Path, home: Path) -> None:
    root = tmp_path / "store"
    Store(root)
    (root / "tmp" / DEAD).symlink_to(home / "tmp")
    (root / "locks" / "models-0123456789abcdef0123456789abcdef").symlink_to(home / "locks" / "passwords.kdbx")
    before = tree(tmp_path)
    Store(root)
    assert tree(home) == {name.removeprefix("home/"): x for name, x in before.items() if "home/" in name}


def test_a_store_of_before_store_json_goes_on_and_is_told_by_its_structure(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = Store(root)
    path = store.put("models", SPEC, FILES, {}).path
    (root / "store.json").unlink()
    assert Store(root).get("models", SPEC) is not None and (root / "store.json").exists()
    for strange in (path.parent / "mine", root / "tmp" / "mine", root / "Models", root / "damaged" / "x"):
        (root / "store.json").unlink(missing_ok=True)
        strange.mkdir(parents=True)
        before = tree(root)
        with pytest.raises(StoreError, match="which is no part of a store"):
            Store(root)
        assert tree(root) == before
        strange.rmdir()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"schema": "leakbench-store-2", "identity": "x"}', "must have schema 'leakbench-store-1', got"),
        ('{"name": "my shop", "version": 1}', "is not as leakbench writes it; choose another store"),
        ('{"schema": "leakbench-store-1", "identity": ["x"]}', "is not as leakbench writes it"),
        ("[" * 100_000, "is not as leakbench writes it"),
        ("", "is not as leakbench writes it"),
        (None, "is not as leakbench writes it"),
    ],
)  # fmt: skip
def test_a_store_json_that_is_not_ours_is_refused(tmp_path: Path, content: str | None, says: str) -> None:
    (tmp_path / "tmp" / DEAD).mkdir(parents=True)
    if content is None:
        os.mkfifo(tmp_path / "store.json")  # which to open would be to wait
    else:
        (tmp_path / "store.json").write_text(content)
    for dry in (True, False):
        with pytest.raises(StoreError, match=says):
            Store(tmp_path, dry)
    assert (tmp_path / "tmp" / DEAD).exists()


def test_a_store_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "scratch")
    Store(tmp_path / "store").put("models", SPEC, FILES, {})
    assert Store(tmp_path / "scratch").get("models", SPEC) is not None


def test_a_new_store_has_one_identity_however_many_open_it_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for n in range(10):
            stores = list(pool.map(Store, [tmp_path / str(n)] * 4))
            assert len({store.identity for store in stores}) == 1


def test_a_dry_look_changes_nothing_and_counts_what_is_damaged_as_missing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    assert Store(root, dry=True).get("models", SPEC) is None and not root.exists()
    store = Store(root)
    path = store.put("models", SPEC, FILES, {}).path
    (root / "tmp" / DEAD).mkdir()
    dry = Store(root, dry=True)
    assert dry.has("models", SPEC) and dry.identity == store.identity
    (path / "a.npy").write_bytes(b"")
    before = tree(root)
    dry = Store(root, dry=True)
    assert dry.get("models", SPEC) is None and not dry.has("models", SPEC)
    for use in (lambda: dry.put("models", SPEC, FILES, {}), lambda: dry.claim("models", SPEC)):
        with pytest.raises(StoreError, match="during a dry run"):
            use()
    assert tree(root) == before


def test_a_bucket_with_other_things_is_no_store(tmp_path: Path) -> None:
    write(tmp_path / "bucket", "photos/1.jpg")
    for dry in (True, False):
        with pytest.raises(StoreError, match="bucket holds 'photos', which is no part of a store"):
            ObjectStore(f"file://{tmp_path}/bucket", tmp_path / "copies", dry)
    assert tree(tmp_path / "bucket").keys() == {"photos", "photos/1.jpg"}


def test_a_dry_look_at_a_url_writes_and_takes_back_nothing(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/bucket"
    assert ObjectStore(url, tmp_path / "dry", dry=True).get("models", SPEC) is None
    assert not (tmp_path / "bucket").exists()
    path = ObjectStore(url, tmp_path / "one").put("models", SPEC, FILES, {}).path
    assert ObjectStore(url, tmp_path / "dry", dry=True).has("models", SPEC)
    (tmp_path / "bucket" / "models" / path.name / "a.npy").write_bytes(b"")
    before = tree(tmp_path / "bucket")
    assert not ObjectStore(url, tmp_path / "other", dry=True).has("models", SPEC)
    assert tree(tmp_path / "bucket") == before


def test_copies_are_kept_in_a_place_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKBENCH_CACHE", str(tmp_path / "cache"))
    copies = open_store(f"file://{tmp_path}/bucket").root
    write(copies, "mine/x")
    (copies / "store.json").unlink()
    with pytest.raises(StoreError, match="holds 'mine', which is no part of a store"):
        open_store(f"file://{tmp_path}/bucket")
