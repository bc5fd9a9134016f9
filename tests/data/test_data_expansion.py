"""A small file must not fill the memory: what compressed data expands to is bounded by the size of the file."""

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from leakbench.core.errors import InputError
from leakbench.data import load
from leakbench.data.audit_file import tables
from leakbench.data.formats import _images


def _csv(folder, size):
    rows = b"a,b,label\n" + b"0,1,0\n0,0,1\n" * (size // 12)
    (folder / "t.csv.gz").write_bytes(gzip.compress(rows))
    return folder / "t.csv.gz"


def _parquet(folder, size):
    n = size // 16
    pq.write_table(pa.table({"a": np.zeros(n), "label": np.arange(n) % 2}), folder / "t.parquet")
    return folder / "t.parquet"


def _tar(folder, size):
    rows = b"1,0,1\n2,0,0\n" * (size // 12)
    with tarfile.open(folder / "dataset_location.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("bangkok")
        info.size = len(rows)
        archive.addfile(info, io.BytesIO(rows))
    return folder / "dataset_location.tgz"


def _idx(folder, size):
    n = size // 784
    for part in ("train", "t10k"):
        images = struct.pack(">HBBIII", 0, 8, 3, n, 28, 28) + bytes(n * 784)
        labels = struct.pack(">HBBI", 0, 8, 1, n) + bytes(n // 2) + b"\1" * (n - n // 2)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return folder


def _zip(folder, size):
    image = io.BytesIO()
    side = int((size / 60) ** 0.5)
    Image.new("RGB", (side, side)).save(image, "PNG")
    with zipfile.ZipFile(folder / "i.zip", "w") as archive:
        for i in range(20):
            archive.writestr(f"{i % 2}/{i}.png", image.getvalue())
    return folder / "i.zip"


@pytest.mark.parametrize("write", [_csv, _parquet, _tar, _idx, _zip])
def test_what_expands_too_far_is_refused(tmp_path, monkeypatch, write):
    path = write(tmp_path, 2**20)
    load(path, test=0.2)  # as much is always allowed
    for module in (tables, _images):
        monkeypatch.setattr(module, "ALWAYS_ROOM", 2**16)
    with pytest.raises(InputError, match=r"expands to more than|at most 100 times as many pixels as bytes"):
        load(path, test=0.2)
