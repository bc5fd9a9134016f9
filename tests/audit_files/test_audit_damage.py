"""A file that is damaged, or is not what its name says, is refused in one line."""

import re
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from leakbench.core.errors import InputError
from leakbench.data.audit_file.read import read


def refused(path, says):
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(path)) == 1


@pytest.fixture
def npz(alone, tmp_path):
    np.savez(tmp_path / "audit.npz", **alone)
    return tmp_path / "audit.npz"


def test_there_is_no_such_file(tmp_path):
    refused(tmp_path / "audit.npz", "No such file or directory")


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.parquet", "a.npy"])
def test_empty_files(tmp_path, name):
    (tmp_path / name).touch()
    refused(tmp_path / name, "is empty (0 bytes)")


def test_an_npz_cut_anywhere_is_refused(npz):
    whole = npz.read_bytes()
    for length in range(1, len(whole) - 1, 37):
        npz.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"damaged or cut short|is no \.npz file"):
            read(npz)


def test_a_flipped_byte_in_the_data_is_found(npz):
    content = bytearray(npz.read_bytes())
    content[len(content) // 3] ^= 0xFF
    npz.write_bytes(content)
    refused(npz, "damaged or cut short")


def test_a_cut_npy_is_refused(alone, tmp_path):
    for name, array in alone.items():
        np.save(tmp_path / f"{name}.npy", array)
    path = tmp_path / "logits.npy"
    path.write_bytes(path.read_bytes()[:-8])
    refused(tmp_path, "logits.npy is damaged or cut short")


def test_a_cut_parquet_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"loss": [1.0, 2.0], "member": [True, False]}), path)
    path.write_bytes(path.read_bytes()[:-9])
    refused(path, "damaged or cut short")


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.npy"])
def test_an_npz_under_another_name(npz, name):
    path = npz.rename(npz.parent / name)
    refused(path, f"is no {path.suffix} file")


def test_text_named_npz(tmp_path):
    (tmp_path / "a.npz").write_text("loss,member\n1,0\n")
    refused(tmp_path / "a.npz", "is no .npz file")


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "logits.pkl", "x.joblib"])
def test_pickles_are_refused_unread(tmp_path, name):
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    refused(
        tmp_path / name,
        "is a pickle, which can run code when it is read, so it is refused; save arrays instead: np.savez",
    )


def test_a_saved_torch_model_named_npz(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("archive/data.pkl", "x")
    refused(tmp_path / "a.npz", "is a zip, but no npz: it holds 'archive/data.pkl'")


def test_python_objects_are_refused(alone, tmp_path):
    np.savez(tmp_path / "a.npz", **alone | {"labels": np.array([1, "a"] * 6, dtype=object)})
    refused(tmp_path / "a.npz", "labels holds Python objects")


def test_an_npz_without_arrays(tmp_path):
    np.savez(tmp_path / "a.npz")
    refused(tmp_path / "a.npz", "holds no arrays")


def test_a_single_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    refused(tmp_path / "a.npy", "holds one array without a name")


def test_a_folder_without_arrays(tmp_path):
    refused(tmp_path, "holds no .npy files")


def test_an_unknown_suffix(tmp_path):
    (tmp_path / "a.h5").write_text("x")
    refused(tmp_path / "a.h5", "must be .npz, .csv, .csv.gz, .parquet or a folder of .npy files, got '.h5'")


def test_strangers_are_noted(alone, tmp_path):
    np.savez(tmp_path / "a.npz", **alone, image=np.array([None], dtype=object), weather=np.ones(2))
    assert read(tmp_path / "a.npz").notes == ("not used: image, weather",)


TABLES = {
    "text in a number": (
        "loss,member\n1,0\n2,1\nabc,1\n",
        "line 4, column 'loss' must be a number, got 'abc'",
    ),
    "an empty cell": ("loss,member\n1,0\n,1\n", "line 3, column 'loss' must be a number, got ''"),
    "text in members": (
        "loss,member\n1,0\n2,maybe\n",
        "line 3, column 'member' must be true/false or 0/1, got 'maybe'; say which columns hold what, such as",
    ),
    "after a blank line": ("loss,member\n1,0\n\n\nx,1\n", "line 5, column 'loss'"),
    "no members": ("loss,label\n1,0\n2,1\n", "has no column 'members', got label, loss"),
    "bars": ("loss|member\n1|0\n", "separate the columns with commas"),
    "decimal commas": ("loss;member\n1,5;0\n", "line 2, column 'loss' must be a number, got '1,5'"),
    "no answers": ("member,label\n1,0\n0,1\n", "give at least one of"),
    "a gap": ("logits_0,logits_2,member\n1,2,0\n1,2,1\n", "has no column 'logits_1'"),
    "mixed numbering": ("logits_0,logits_1_2,member\n1,2,0\n1,2,1\n", "must all be numbered the same way"),
    "twice": ("loss,loss,member\n1,2,0\n1,2,1\n", "the column 'loss' is there twice"),
    "a short line": ("loss,member\n1,0\n2\n", "line 3 must have as many cells as the header, 2"),
    "a long line": ("loss,member\n1,0\n2,1,5\n", "line 3 must have as many cells as the header, 2"),
    "no records": ("loss,member\n", "has a header, but no records"),
    "a population": ("loss,member,population_loss\n1,0,1\n2,1,1\n", "population_losses needs an npz"),
    "not a number": ("loss,member\nnan,0\n2,1\n", "losses must be finite, got 1 NaN"),
    "no header": ("0.5,1\n0.7,0\n", "has no header line, it begins with 0.5, 1; put a first line before it"),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_name_line_and_column(tmp_path, case):
    text, says = TABLES[case]
    (tmp_path / "a.csv").write_text(text)
    refused(tmp_path / "a.csv", says)


def test_a_csv_in_another_encoding(tmp_path):
    (tmp_path / "a.csv").write_bytes("loss,member,group_é\n1,0,a\n".encode("latin-1"))
    refused(tmp_path / "a.csv", "must be UTF-8 text")
    (tmp_path / "b.csv").write_bytes("loss,member,group_x\n1,0,é\n".encode("latin-1"))
    refused(tmp_path / "b.csv", "must be UTF-8 text")


PARQUETS = {
    "a hole": ({"loss": [1.0, None], "member": [True, False]}, "the column 'loss' is empty in record 1"),
    "text": ({"loss": ["x", "y"], "member": [True, False]}, "losses must hold real numbers"),
    "lists of two lengths": (
        {"logits": [[1.0, 2.0], [1.0]], "member": [True, False]},
        "must have one length, got 1 to 2",
    ),
    "text in members": ({"loss": [1.0, 2.0], "member": ["yes", "true"]}, "got 'yes' in record 0"),
    "no members": ({"loss": [1.0, 2.0]}, "has no column 'members'"),
}


@pytest.mark.parametrize("case", PARQUETS)
def test_parquet_names_the_column(tmp_path, case):
    columns, says = PARQUETS[case]
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", says)
