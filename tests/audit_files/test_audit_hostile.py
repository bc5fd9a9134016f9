"""Headers that lie, archives that are odd, columns of other types: refused in one line, and nothing large is made."""

import gzip
import io
import os
import re
import struct
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as pacsv
from pyarrow import parquet

from leakbench.core.errors import InputError
from leakbench.data.audit_file.read import read


def refused(path, says):
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(path)) == 1


def npy(header: str | bytes, content: bytes = bytes(96), version=(1, 0)) -> bytes:
    header = header if isinstance(header, bytes) else header.encode()
    size = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + size + header + content


def header(shape: str = "(12,)", descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


HEADERS = {
    "negative": (npy(header("(-12,)")), "its shape is (-12,)"),
    "two negative": (npy(header("(-4, -3)")), "its shape is (-4, -3)"),
    "true": (npy(header("(True, 12)")), "its shape is (True, 12)"),
    "2^60": (npy(header(f"({2**60},)")), f"its header declares {2**63} bytes"),
    "2^64": (npy(header(f"({2**64},)")), f"its header declares {2**67} bytes"),
    "no values": (npy(header(f"({2**60}, 0)"), b""), "it holds no values"),
    "more bytes than declared": (npy(header("(11,)")), "its header declares 88 bytes"),
    "no bytes a value": (npy(header(f"({2**40},)", "'<U0'"), b""), "its dtype is"),
    "an open string": (npy('{\'descr\': """'), "damaged or cut short"),
    "an open bracket": (npy("{'descr': '<f8', 'shape': (12"), "damaged or cut short"),
    "deep brackets": (npy("(" * 4900 + ")" * 4900), "damaged or cut short"),
    "a longer header": (npy(header() + " " * 60_000), "damaged or cut short"),
    "no dictionary": (npy("1"), "damaged or cut short"),
    "no text": (npy(b"\xff" * 20, version=(2, 0)), "damaged or cut short"),
    "another version": (npy(header(), version=(3, 0)), "version 3.0 of the npy format"),
    "cut": (b"\x93NUMPY\x01", "damaged or cut short"),
    "an array in each place": (npy(header("(6,)", "'(2,)f8'")), "its dtype is"),
}


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("form", ["npz", "folder"])
def test_headers_that_lie(tmp_path, case, form):
    content, says = HEADERS[case]
    members = io.BytesIO()
    np.save(members, np.arange(12) % 2)
    files = {"losses.npy": content, "members.npy": members.getvalue()}
    path = tmp_path / "a.npz" if form == "npz" else tmp_path
    if form == "npz":
        with zipfile.ZipFile(path, "w") as archive:
            for name, each in files.items():
                archive.writestr(name, each)
    else:
        for name, each in files.items():
            (tmp_path / name).write_bytes(each)
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        read(path)
    assert len(str(caught.value)) < 1000


def test_a_pickle_of_any_length_is_not_read(tmp_path):
    np.save(tmp_path / "members.npy", np.arange(12) % 2)
    pickled = b"cos\nsystem\n(S'touch pwned'\ntR."
    (tmp_path / "losses.npy").write_bytes(npy(header(descr="'|O'"), pickled))
    with pytest.raises(InputError, match=r"losses holds Python objects; save numbers as losses\.astype"):
        read(tmp_path)


def _npz(path, names=("losses", "members"), **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name in names:
            content = io.BytesIO()
            np.save(content, np.arange(12) % 2)
            archive.writestr(f"{name}.npy", content.getvalue())
    return path


def test_an_encrypted_archive(tmp_path):
    content = bytearray(_npz(tmp_path / "a.npz").read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for match in re.finditer(re.escape(signature), bytes(content)):
            content[match.start() + flags] |= 1
    (tmp_path / "a.npz").write_bytes(content)
    refused(tmp_path / "a.npz", "is encrypted, or compressed in a way that np.load does not read")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path, method):
    refused(_npz(tmp_path / "a.npz", compression=method), "is encrypted, or compressed in a way")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice(tmp_path):
    refused(_npz(tmp_path / "a.npz", ["losses", "members", "losses"]), "holds an array twice")


def test_a_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("losses.npy", b"hello")
        archive.writestr("members.npy", npy(header()))
    refused(tmp_path / "a.npz", "is damaged or cut short (losses")


def test_an_archive_that_would_fill_the_memory(tmp_path):
    zeros = np.zeros(10_000_000)
    np.savez_compressed(tmp_path / "a.npz", losses=zeros, members=zeros > 0)
    refused(tmp_path / "a.npz", "save a folder of .npy files instead")


@pytest.mark.parametrize("form", ["parquet", "csv.gz"])
def test_a_table_that_would_fill_the_memory(tmp_path, form):
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        zeros = np.zeros(5_000_000)
        parquet.write_table(pa.table({"loss": zeros, "member": zeros}), path, compression="ZSTD")
    else:
        path.write_bytes(gzip.compress(b"loss,member\n" + b"0,1\n" * 18_000_000, 1))
    refused(path, "expands to more than 10 times its size and 64 MB; ")


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.parquet", "a.npy"])
def test_a_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    refused(tmp_path / name, "must be a file, got a pipe, a device or a folder")


@pytest.mark.parametrize("target", ["/dev/zero", "folder"])
def test_what_is_no_file_in_a_folder_of_arrays(tmp_path, target):
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "members.npy", np.arange(12) % 2)
    (tmp_path / "losses.npy").symlink_to(target)
    with pytest.raises(InputError, match=r"losses\.npy must be a file"):
        read(tmp_path)


@pytest.mark.parametrize("code", [0xD800, 0x110000, 0xFFFFFFFF])
def test_text_that_is_none(tmp_path, code):
    groups = np.array(["a"] * 12)
    groups.view(np.uint32)[3] = code
    np.savez(tmp_path / "a.npz", losses=np.ones(12), members=np.arange(12) % 2, groups=groups)
    refused(tmp_path / "a.npz", "groups must be valid Unicode text, got a code point that is none in value 3")


COLUMNS = {
    "logits_99999999": "has too large a number; number the columns from 0",
    "logits_" + "9" * 30: "has too large a number",
    "logits_" + "9" * 5000: "has too large a number",
    "logits_999999": "has no column 'logits_0'",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_numbers_of_columns(tmp_path, column):
    (tmp_path / "a.csv").write_text(f"{column},member\n1,0\n2,1\n")
    refused(tmp_path / "a.csv", COLUMNS[column])


def test_a_name_of_many_numbers_and_many_columns(tmp_path):
    (tmp_path / "a.csv").write_text("logits" + "_1" * 50_000 + "x,loss,member\n1,1,0\n2,2,1\n")
    assert read(tmp_path / "a.csv").kind == "losses"
    names = ",".join(f"x{i}" for i in range(5000))
    (tmp_path / "b.csv").write_text(f"loss,member,{names}\n" + ("1,0" + ",1" * 5000 + "\n") * 2)
    refused(tmp_path / "b.csv", "members must mark some")


TYPES = {
    "struct": pa.array([{"a": 1}] * 4),
    "map": pa.array([[("a", 1)]] * 4, pa.map_(pa.string(), pa.int64())),
    "binary": pa.array([b"1"] * 4),
    "timestamp": pa.array([0] * 4, pa.timestamp("s")),
    "lists of lists": pa.array([[[1.0]]] * 4),
    "nothing": pa.nulls(4),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("column", ["loss", "label", "member", "group_x"])
def test_columns_of_other_types(tmp_path, kind, column):
    table = {"loss": [1.0] * 4, "member": [True, False] * 2} | {column: TYPES[kind]}
    parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", f"the column {column!r} must hold numbers, true/false or text")


def test_texts_that_are_not_utf8(tmp_path):
    offsets, content = pa.py_buffer(np.arange(0, 9, 2, np.int32)), pa.py_buffer(b"\xff\xfe" * 4)
    groups = pa.StringArray.from_buffers(4, offsets, content)
    table = pa.table({"loss": [1.0] * 4, "member": [True, False] * 2, "group_x": groups})
    parquet.write_table(table, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "is damaged or cut short")


def test_one_long_text_does_not_lengthen_all(tmp_path):
    lines = [f"{i},{i % 2},{'x' * 2000 if i == 3 else 'a'}" for i in range(10)]
    (tmp_path / "a.csv").write_text("\n".join(["loss,member,group_x", *lines]))
    refused(tmp_path / "a.csv", "'group_x' must hold texts of at most 1000 characters, got one of 2000")


@pytest.mark.parametrize("form", ["a.csv.gz", "a.tsv", "a.csv"])
def test_tables_as_others_export_them(tmp_path, form):
    losses, members = np.linspace(0, 1, 10), np.arange(10) % 2
    buffer = io.BytesIO()
    mark = {"a.csv.gz": ",", "a.tsv": "\t", "a.csv": ";"}[form]
    pacsv.write_csv(pa.table({"loss": losses, "member": members}), buffer, pacsv.WriteOptions(delimiter=mark))
    content = buffer.getvalue()
    (tmp_path / form).write_bytes(gzip.compress(content) if form.endswith("gz") else content)
    given = read(tmp_path / form)
    np.testing.assert_array_equal(given.models.signals.losses[0, 0], losses)
    assert given.models.members[0].tolist() == members.astype(bool).tolist()


def test_a_cut_gzip(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"loss,member\n1,0\n2,1\n")[:-9])
    refused(tmp_path / "a.csv.gz", "is damaged or cut short")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["train_logits", "test_logits"],
            "got test_logits, train_logits; it says which records were trained on; name pairs",
        ),
        (
            ["y_pred", "y_true", "members"],
            "give at least one of logits, probs, losses, scores, got members, y_pred",
        ),
    ],
)
def test_names_of_others_are_named(tmp_path, names, says):
    refused(_npz(tmp_path / "a.npz", names), says)
