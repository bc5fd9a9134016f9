"""Downloads, from a real server on this machine."""

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from layouts import write_folder, write_tar

from leakbench.cli.app import main
from leakbench.core.errors import InputError
from leakbench.core.progress import NullProgress
from leakbench.data import DATASETS, download, load
from leakbench.data.sets import File

NAME = "dataset_location.tgz"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content, announced = self.server.answers.get(self.path, (None, 0))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.answers = [], {}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def content(tmp_path):
    rows = "".join(f"{i % 3},{i % 2},{i % 5 % 2},1\n" for i in range(60))
    return write_tar(tmp_path / "published.tgz", {"bangkok": rows.encode()}).read_bytes()


@pytest.fixture
def known(server, content, monkeypatch):
    """Location-30, published on the server, with the true checksum of what is there."""
    server.answers[f"/{NAME}"] = (content, len(content))
    known = DATASETS.get("location30")
    monkeypatch.setattr(known, "home", f"http://127.0.0.1:{server.server_port}")
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    monkeypatch.setattr(known, "files", (File(NAME, len(content), checksum),))
    return known


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def everything(root):
    """Every file and folder below `root`, with its content."""
    return {p.relative_to(root).as_posix(): p.is_file() and p.read_bytes() for p in root.rglob("*")}


def test_what_was_downloaded_can_be_loaded(known, root, content):
    assert download("location30", root) == root / "location30"
    assert everything(root) == {"location30": False, f"location30/{NAME}": content}
    assert load("location30", root=str(root)).x.shape == (60, 3)


def test_the_other_name_goes_to_the_same_folder(known, root):
    assert download("location", root) == root / "location30"


def test_an_md5_too(known, root, content, monkeypatch):
    monkeypatch.setattr(
        known, "files", (File(NAME, len(content), f"md5:{hashlib.md5(content).hexdigest()}"),)
    )
    download("location30", root)
    assert (root / "location30" / NAME).read_bytes() == content


def test_what_is_there_is_not_fetched_again(known, root, server):
    download("location30", root)
    download("location30", root)
    assert server.asked == [f"/{NAME}"]


def test_what_is_there_but_damaged_is_replaced_and_kept(known, root, content):
    for n in (1, 2):
        write_folder(root / "location30", {NAME: content[:-n]})
        download("location30", root)
    there = everything(root / "location30")
    assert there == {NAME: content, f"{NAME}.other-1": content[:-1], f"{NAME}.other-2": content[:-2]}
    assert load("location30", root=str(root)).x.shape == (60, 3)


def test_a_link_is_not_written_through(known, root, content, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (root / "location30").mkdir(parents=True)
    (root / "location30" / NAME).symlink_to(tmp_path / "mine")
    download("location30", root)
    assert (tmp_path / "mine").read_text() == "mine"
    assert (root / "location30" / NAME).read_bytes() == content


def test_data_in_another_layout_is_left_alone(known, root, server):
    write_folder(root / "location30", {"bangkok": b"1,0,1\n"})
    assert download("location30", root) == root / "location30"
    assert server.asked == []


def failures(known, server, content):
    """Ways in which a file does not arrive, and what the error says of each."""
    path = f"/{NAME}"
    return {
        "another content": (content[:-1] + b"?", len(content), "got: its sha256 is [0-9a-f]{64}"),
        "interrupted": (content[:20], len(content), f"got: 20 of {len(content)} bytes"),
        "shorter": (content[:20], 20, f"got: 20 of {len(content)} bytes"),
        "longer": (content + b"?", len(content) + 1, f"got: more than the {len(content)} bytes"),
        "gone": (None, 0, "got: HTTP Error 404: Not Found"),
    }, path


@pytest.mark.parametrize("before", [None, b"damaged, but mine"])
@pytest.mark.parametrize("case", ["another content", "interrupted", "shorter", "longer", "gone"])
def test_a_failure_leaves_everything_as_it_was(known, server, root, content, case, before):
    answers, path = failures(known, server, content)
    *server.answers[path], says = answers[case]
    if before:
        write_folder(root / "location30", {NAME: before})
    with pytest.raises(InputError, match=says) as error:
        download("location30", root)
    assert "\n" not in str(error.value)
    assert {k: v for k, v in everything(root).items() if v} == (
        {f"location30/{NAME}": before} if before else {}
    )


def test_an_endless_answer_is_cut_off(known, server, root, content, monkeypatch):
    """No more than the published size ever lies on the disk."""
    monkeypatch.setattr(known, "files", (File(NAME, 5, known.files[0].checksum),))
    with pytest.raises(InputError, match=r"got: more than the 5 bytes"):
        download("location30", root)


def test_stopped_by_the_user(known, root):
    class Stopped(NullProgress):
        def advance(self, n=1):
            assert list((root / "location30").iterdir())  # the part is there now
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download("location30", root, Stopped())
    assert not list((root / "location30").iterdir())


def test_progress_counts_megabytes(known, server, root, content, monkeypatch):
    steps = []

    class Watch(NullProgress):
        def stage(self, name, total):
            steps.append((name, total))

        def advance(self, n=1):
            steps.append(n)

    big = content + bytes(2_500_000)
    server.answers[f"/{NAME}"] = (big, len(big))
    checksum = f"sha256:{hashlib.sha256(big).hexdigest()}"
    monkeypatch.setattr(known, "files", (File(NAME, len(big), checksum),))
    download("location30", root, Watch())
    assert steps == [(f"{NAME}, MB", 3), 1, 1, 1]


class TestCommand:
    def run(self, capsys, *arguments):
        code = main(["download", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    def refused(self, capsys, *arguments):
        code, out, err = self.run(capsys, *arguments)
        assert (code, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1
        return err

    def test_to_a_folder(self, capsys, known, root):
        code, out, _ = self.run(capsys, "location30", "--to", root)
        assert (code, out) == (0, f"location30 is in {root / 'location30'}\n")

    def test_to_the_folder_of_data_sets(self, capsys, known, root, monkeypatch):
        monkeypatch.setenv("LEAKBENCH_DATA", str(root))
        assert self.run(capsys, "location")[0] == 0
        assert len(load("location30").x) == 60

    def test_offline(self, capsys, known, root, monkeypatch):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setattr(known, "home", f"http://127.0.0.1:{closed.getsockname()[1]}")
            error = self.refused(capsys, "location30", "--to", root)
        assert "Connection refused" in error
        assert str(root / "location30" / NAME) in error
        assert known.files[0].checksum.replace(":", " ") in error
        assert not root.exists()

    @pytest.mark.parametrize("name", ["purchase100", "texas100"])
    def test_no_checksum_no_download(self, capsys, root, name):
        error = self.refused(capsys, name, "--to", root)
        file = f"dataset_{name.removesuffix('100')}.tgz"
        assert (
            f"put {file} (from https://github.com/privacytrustlab/datasets/raw/master) into {root / name}"
            in error
        )

    def test_nothing_to_download(self, capsys, root):
        assert "'digits' comes with a package" in self.refused(capsys, "digits", "--to", root)

    def test_no_folder(self, capsys, monkeypatch):
        monkeypatch.delenv("LEAKBENCH_DATA", raising=False)
        assert "give --to DIR or set LEAKBENCH_DATA" in self.refused(capsys, "mnist")

    def test_a_typo(self, capsys, root):
        assert "did you mean 'mnist'" in self.refused(capsys, "mnits", "--to", root)

    def test_a_file_where_the_folder_should_be(self, capsys, known, root):
        write_folder(root, {"location30": b"a file"})
        error = self.refused(capsys, "location30", "--to", root)
        assert "File exists" in error
        assert everything(root) == {"location30": b"a file"}
        assert "is a file" in self.refused(capsys, "location30", "--to", root / "location30")
