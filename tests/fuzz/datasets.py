"""Hostile data sets of every layout, each from a number: good files of which one is damaged or of another form."""

import zipfile
from pathlib import Path

import numpy as np
from layouts import cifar10_files, png, write_folder, write_mnist, write_svhn, write_tar

from leakbench.core.errors import InputError
from leakbench.data import load

from . import hostile

N = 80  # of which layouts with two parts have 60 in the first
FORMATS = (
    "table_csv", "table_parquet", "npz", "npy", "idx", "idx_gz", "cifar_tar", "cifar_folder", "mat", "images",
    "images_zip", "images_csv", "images_parquet", "class_first", "texas", "adult",
)  # fmt: skip


def hostile_data(number: int, folder: Path) -> Path:
    """The data set of a number, in `folder`."""
    rng = np.random.default_rng([18, number])
    path = folder / str(number)
    path.mkdir()
    name = FORMATS[number % len(FORMATS)]
    if name in ("table_csv", "table_parquet", "npz", "npy"):
        return _of_numbers(name, path, rng)
    place = _write(name, path, rng)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    for _ in range(int(rng.integers(3))):
        _damage(hostile.chosen(rng, files), rng)
    return place


def _of_numbers(name: str, path: Path, rng: hostile.Rng) -> Path:
    y = np.arange(N) % 3
    if name.startswith("table"):
        texts = np.array(["red", "blue", "green", "?"])[rng.integers(0, 4, N)]
        columns = {"a": rng.normal(size=N).round(3), "b": rng.integers(0, 9, N), "c": texts, "label": y}
        suffix = name.partition("_")[2]
        content = hostile.csv(columns, rng) if suffix == "csv" else hostile.parquet(columns, rng)
        (path / f"t.{suffix}").write_bytes(content)
        return path / f"t.{suffix}"
    x = hostile.chosen(
        rng, (rng.normal(size=(N, 4)), rng.integers(0, 256, (N, 5, 6), np.uint8), rng.random((N, 3, 4, 4)))
    )
    arrays = {"x_train": x[:60], "y_train": y[:60], "x_test": x[60:], "y_test": y[60:]}
    arrays = hostile.chosen(rng, ({"x": x, "y": y}, arrays))
    if name == "npz":
        (path / "a.npz").write_bytes(hostile.npz(arrays, rng))
        return path / "a.npz"
    hostile.folder(arrays, path, rng)
    return path


def _write(name: str, path: Path, rng: hostile.Rng) -> Path:
    grey, colour = rng.integers(0, 256, (N, 5, 7), np.uint8), rng.integers(0, 256, (N, 3, 32, 32), np.uint8)
    y, bits = np.arange(N) % 4, rng.integers(0, 2, (N, 6))
    rows = [",".join(map(str, row)) for row in bits]
    if name.startswith("idx"):
        return write_mnist(path, grey, y, ".gz" if name == "idx_gz" else "")
    if name == "cifar_tar":
        return write_tar(path / "cifar-10-python.tar.gz", cifar10_files(colour, y))
    if name == "cifar_folder":
        return write_folder(path, cifar10_files(colour, y))
    if name == "mat":
        return write_svhn(path, colour, y)
    if name == "class_first":
        return write_folder(
            path, {"bangkok": "".join(f"{c},{r}\n" for c, r in zip(y, rows, strict=True)).encode()}
        )
    if name == "texas":
        files = {
            "texas/100/feats": "\n".join(rows).encode(),
            "texas/100/labels": "\n".join(map(str, y)).encode(),
        }
        return write_tar(path / "dataset_texas.tgz", files)
    if name == "adult":
        return _adult(path, y)
    images = {f"{'abcd'[c]}/{i}.png": png(image) for i, (c, image) in enumerate(zip(y, grey, strict=True))}
    if name == "images_zip":
        with zipfile.ZipFile(path / "a.zip", "w") as archive:
            for each, content in images.items():
                archive.writestr(each, content)
        return path / "a.zip"
    if name == "images_parquet":
        return _image_parquet(path, list(images.values()), y)
    if name == "images_csv":
        lines = [f"{each},{c}" for each, c in zip(images, y, strict=True)]
        return write_folder(path, images | {"labels.csv": "\n".join(["file,label", *lines]).encode()})
    return write_folder(path, images)


def _adult(path: Path, y: np.ndarray) -> Path:
    row = "{}, Private, 7, HS-grad, 13, No, {}, Husband, White, Male, 0, 0, {}, Peru, {}"
    rows = [
        row.format(20 + i, "?" if i % 3 else "Sales", i % 5, ">50K" if c else "<=50K")
        for i, c in enumerate(y)
    ]
    test = "|1x3 Cross validator\n" + "".join(f"{row}.\n" for row in rows[60:])
    return write_folder(path, {"adult.data": "\n".join(rows[:60]).encode(), "adult.test": test.encode()})


def _image_parquet(path: Path, images: list[bytes], y: np.ndarray) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"img": [{"bytes": image, "path": None} for image in images], "label": y})
    for part, rows in (("train", slice(0, 60)), ("test", slice(60, N))):
        pq.write_table(
            table.slice(rows.start, rows.stop - rows.start), path / f"{part}-00000-of-00001.parquet"
        )
    return path


def _damage(file: Path, rng: hostile.Rng) -> None:
    """Bytes are changed; or the file becomes something else than a file, or is gone."""
    if not file.is_file():
        return
    how = rng.integers(12)
    content = file.read_bytes()
    if how > 3:
        file.write_bytes(hostile.damaged(content, rng))
        return
    file.unlink()
    if how == 0:
        hostile.no_file(file, rng)
    elif how == 1:
        file.write_bytes(
            hostile.chosen(rng, (b"", b"\0" * 2000, b"<html>", content[: len(content) // 2], b"\xff" * 300))
        )
    elif how == 2:
        file.write_bytes(content * 2)


def outcome(path: Path) -> str:
    """ "refused" in one line, or "right": a data set whose records are of the kind that was written."""
    try:
        data = load(path)
    except (InputError, OSError, MemoryError) as error:
        assert "\n" not in str(error) and len(str(error)) < 3000, error
        return "refused"
    assert data.x.dtype == np.float32 and np.isfinite(data.x).all() and len(data.x) == len(data.y)
    assert not data.is_image or (data.x.min() >= 0 and data.x.max() <= 1)
    return "right"
