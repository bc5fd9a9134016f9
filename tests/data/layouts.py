"""Tiny files of every layout, written as their publishers write them."""

import gzip
import io
import pickle
import struct
import tarfile

import numpy as np
from PIL import Image
from scipy.io import savemat

N_TRAIN, N_TEST, N_CLASSES = 60, 20, 4


def png(pixels):
    """[height, width] or [channels, height, width] as a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels if pixels.ndim == 2 else pixels.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


def write_idx(path, array):
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(folder, x, y, suffix=".gz"):
    folder.mkdir(exist_ok=True)
    for part, rows in (("train", slice(N_TRAIN)), ("t10k", slice(N_TRAIN, None))):
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", x[rows])
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", y[rows].astype(np.uint8))
    return folder


def write_tar(path, files):
    """A tar.gz of (name, content) in this order, with the entry of its folder first."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            if "/" in name and name.split("/")[0] not in archive.getnames():
                folder = tarfile.TarInfo(name.split("/")[0])
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(folder)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_folder(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_svhn(folder, x, y):
    """SVHN's two files, from images [N, 3, 32, 32] and digits [N]: the digit 0 has the label 10."""
    folder.mkdir(exist_ok=True)
    for part, rows in (("train", slice(N_TRAIN)), ("test", slice(N_TRAIN, None))):
        arrays = {
            "X": x[rows].transpose(2, 3, 1, 0),
            "y": np.where(y == 0, 10, y)[rows, None].astype(np.uint8),
        }
        savemat(folder / f"{part}_32x32.mat", arrays, do_compression=True)
    return folder


def cifar10_files(x, y):
    """The files of CIFAR-10's python version: five batches, a test batch, the names."""
    flat = x.reshape(len(x), -1)
    files = {}
    for i, rows in enumerate(np.array_split(np.arange(N_TRAIN), 5), 1):
        files[f"cifar-10-batches-py/data_batch_{i}"] = _batch(flat[rows], y[rows], b"labels")
    test = np.arange(N_TRAIN, len(y))
    files["cifar-10-batches-py/test_batch"] = _batch(flat[test], y[test], b"labels")
    names = {b"label_names": [b"cat", b"dog", b"frog", b"ship"], b"num_vis": 3072}
    files["cifar-10-batches-py/batches.meta"] = pickle.dumps(names, protocol=2)
    return dict(
        sorted(files.items(), reverse=True)
    )  # the published archive is not in the batches' order either


def cifar100_files(x, y):
    flat = x.reshape(len(x), -1)
    rows = {"train": np.arange(N_TRAIN), "test": np.arange(N_TRAIN, len(y))}
    files = {
        f"cifar-100-python/{part}": _batch(
            flat[at], y[at], b"fine_labels", {b"coarse_labels": (y[at] // 2).tolist()}
        )
        for part, at in rows.items()
    }
    names = {
        b"fine_label_names": [b"apple", b"baby", b"bear", b"bed"],
        b"coarse_label_names": [b"food", b"rest"],
    }
    return files | {"cifar-100-python/meta": pickle.dumps(names, protocol=2)}


def _batch(data, labels, key, more=None):
    names = [b"image_%d.png" % i for i in range(len(labels))]
    batch = {b"batch_label": b"one of them", key: labels.tolist(), b"data": data, b"filenames": names}
    return pickle.dumps(batch | (more or {}), protocol=2)
