"""Files that want to execute something, and files that are not what their name says."""

import gzip
import os
import pickle

import numpy as np
import pytest
from layouts import write_folder, write_mnist, write_tar

from leakbench.core.errors import InputError
from leakbench.data import load
from leakbench.data.formats import FORMATS, read_path
from leakbench.data.formats.cifar_pickle import load_plain


class Call:
    """Pickles to a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(marker):
    """Pickles that would leave `marker` behind, and the global that each must be refused for."""
    return [
        (Call(os.system, f"touch {marker}"), f"{os.system.__module__}.system"),
        (Call(eval, f"open({str(marker)!r}, 'w')"), "(__builtin__|builtins).eval"),
        (Call(open, str(marker), "w"), "(io|_io|__builtin__).open"),
        (Call(os.mkdir, str(marker)), f"{os.mkdir.__module__}.mkdir"),
        (Call(getattr, "", "upper"), "(__builtin__|builtins).getattr"),
        (Call(np.fromfile, str(marker)), "numpy.*fromfile"),
        (np.float64(1.0), "numpy.*scalar"),
    ]


@pytest.mark.parametrize("case", range(7))
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_executes_nothing(tmp_path, case, protocol):
    marker = tmp_path / "executed"
    payload, name = hostile(marker)[case]
    batch = {b"labels": [0], b"data": payload}
    write_folder(tmp_path, {"data_batch_1": pickle.dumps(batch, protocol=protocol)})
    with pytest.raises(InputError, match=f"only numbers, text and arrays, got {name}; refused"):
        load(tmp_path)
    assert not marker.exists()


def test_the_same_pickles_do_execute_in_pickle(tmp_path):
    """Without this, the test above could pass because the pickles are harmless."""
    marker = tmp_path / "executed"
    pickle.loads(pickle.dumps(hostile(marker)[0][0]))  # noqa: S301 (that is the point)
    assert marker.exists()


@pytest.mark.parametrize(
    "array",
    [np.array([{}], dtype=object), np.array([1.5]), np.array(["text"]), np.array([(1, 2)], dtype="i4,i4")],
)
def test_only_arrays_of_whole_numbers(tmp_path, array):
    file = tmp_path / "p"
    file.write_bytes(pickle.dumps({b"data": array}, protocol=2))
    with pytest.raises(InputError, match=r"CIFAR"), file.open("rb") as opened:
        load_plain(opened, "p")


@pytest.mark.parametrize("dtype", ["<u1", "<i8", ">i4", ">u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_whole_numbers_come_back(tmp_path, dtype, order):
    array = np.arange(12).reshape(3, 4).astype(dtype, order=order)
    file = tmp_path / "p"
    file.write_bytes(pickle.dumps({b"data": array, "text": "grün", "n": [1, -2, 10**12]}, protocol=2))
    with file.open("rb") as opened:
        plain = load_plain(opened, "p")
    np.testing.assert_array_equal(plain["data"], array)
    assert plain["n"] == [1, -2, 10**12] and plain["text"] == "grün"


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02", b"junk", b"\x80\x02}q\x00.", pickle.dumps([1], protocol=2)]
)
def test_a_damaged_pickle(tmp_path, content):
    write_folder(tmp_path, {"data_batch_1": content})
    with pytest.raises(InputError, match=r"data_batch_1|data must be"):
        load(tmp_path)


WRONG = {
    "a web page": b"<!DOCTYPE html><html>404</html>",
    "an empty file": b"",
    "text beginning 'hello'": b"hello",
    "gzip data": gzip.compress(b"hello"),
    "a PNG image": b"\x89PNG\r\n\x1a\n",
    "bytes beginning fe ed fa ce": b"\xfe\xed\xfa\xce" * 4,
}
NAMES = {
    "train-images-idx3-ubyte": "an idx file of unsigned bytes with 3 axes",
    "train-images-idx3-ubyte.gz": "a gzip-compressed idx file of unsigned bytes with 3 axes",
    "cifar-10-python.tar.gz": "CIFAR's python version",
    "a.npz": "an npz file",
    "a.parquet": "a parquet table",
    "dataset_location.tgz": "a CSV without header",
    "dataset_texas.tgz": "dataset_texas.tgz",
    "train_32x32.mat": "a MATLAB file of SVHN's",
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_what_its_name_says(tmp_path, name, what):
    (tmp_path / name).write_bytes(WRONG[what])
    with pytest.raises(InputError) as error:
        load(tmp_path / name)
    assert f"{name} must be {NAMES[name]}" in str(error.value)
    assert f", got {what}" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_zipped_file_named_as_unzipped(tmp_path, grey, labels):
    folder = write_mnist(tmp_path / "m", grey, labels, ".gz")
    for file in folder.glob("train*.gz"):
        file.rename(file.with_suffix(""))
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte must be an idx file .*, got gzip data"):
        load(folder)


@pytest.mark.parametrize("name", ["notes.txt", "a.npy", "x.zip", "a.bin"])
def test_an_unknown_file_lists_what_is_known(tmp_path, name):
    (tmp_path / name).write_bytes(b"hello")
    with pytest.raises(
        InputError, match=r"known layout, got text beginning 'hello'; known: arrays .*; table "
    ):
        load(tmp_path / name)


def test_folders_of_nothing_known(tmp_path):
    with pytest.raises(InputError, match=r"got an empty folder"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"got a folder with notes.txt"):
        load(tmp_path)


def test_a_folder_of_two_layouts(tmp_path, grey, labels):
    write_mnist(tmp_path, grey, labels)
    np.save(tmp_path / "x.npy", grey)
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(InputError, match=r"fits several: arrays, idx; choose with format"):
        load(tmp_path)
    assert load(tmp_path, format="idx").parts["test"].size == 20


@pytest.mark.parametrize("name", FORMATS.names())
@pytest.mark.parametrize("kind", ["folder", "file", "archive"])
def test_every_format_refuses_what_it_does_not_fit(tmp_path, name, kind):
    path = tmp_path / "thing.tgz"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_bytes(b"hello")
    else:
        write_tar(path, {"readme": b"hello"})
    assert not FORMATS.get(name)().accepts(path)
    with pytest.raises(InputError, match=r"thing.tgz"):
        read_path(path, [name], None)
