import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import N_TEST, N_TRAIN, png, write_folder, write_mnist
from PIL import Image

from leakbench.core.errors import InputError
from leakbench.data import load
from leakbench.data.resize import resized

TAKEN = np.arange(6)


def triangle(length, size):
    """Weights [size, length] of bilinear interpolation; wider where it shrinks, so that no pixel is left out."""
    scale = length / size
    centre = (np.arange(size)[:, None] + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(length) + 0.5 - centre) / max(scale, 1), 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [1, 3, 5, 9, 32])
def test_against_the_definition(grey, size):
    x = np.float32(grey[:6, None] / 255)  # 5 x 7
    got = resized(lambda rows: x[rows], TAKEN, size)
    expected = triangle(5, size) @ x.astype(np.float64) @ triangle(7, size).T
    assert got.shape == (6, 1, size, size) and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert got.min() >= 0 and got.max() <= 1


def test_the_same_as_pillow_on_colour(colour):
    x = np.float32(colour / 255)
    got = resized(lambda rows: x[rows], TAKEN, 12)
    for image, pixels in zip(got, colour, strict=False):
        picture = Image.fromarray(pixels.transpose(1, 2, 0)).resize((12, 12), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(image, np.asarray(picture).transpose(2, 0, 1) / 255, atol=1.01 / 255)


def test_the_same_size_changes_nothing(colour):
    x = np.float32(colour / 255)
    np.testing.assert_array_equal(resized(lambda rows: x[rows], TAKEN, 32), x[:6])


def test_images_of_different_sizes_and_colours(tmp_path, grey, colour):
    files = {f"{i % 2}/{i:02}.png": png(colour[i, :, : 9 + i] if i % 2 else grey[i]) for i in range(40)}
    folder = write_folder(tmp_path, files)
    with pytest.raises(InputError, match=r"one size, got height x width .* resize"):
        load(folder)
    data = load(folder, resize=6)
    assert data.x.shape == (40, 3, 6, 6)
    assert (data.x[data.y == 0] == data.x[data.y == 0][:, :1]).all()  # grey fills the three channels
    assert (data.x[data.y == 1] != data.x[data.y == 1][:, :1]).any()


def test_every_kind_of_image_data(tmp_path, grey, labels):
    folder = write_mnist(tmp_path / "m", grey, labels)
    by_idx = load(folder, resize=4)
    assert by_idx.x.shape == (N_TRAIN + N_TEST, 1, 4, 4)
    images = [{"bytes": png(image), "path": None} for image in grey]
    table = pa.table({"image": images, "label": labels})
    pq.write_table(table[:N_TRAIN], tmp_path / "train-0.parquet")
    pq.write_table(table[N_TRAIN:], tmp_path / "test-0.parquet")
    np.testing.assert_array_equal(load(tmp_path, format="image_parquet", resize=4).x, by_idx.x)
    assert by_idx.fingerprint != load(folder).fingerprint


def test_no_tables(tmp_path, labels):
    np.savez(tmp_path / "a.npz", x=np.zeros((len(labels), 3)), y=labels)
    with pytest.raises(InputError, match=r"resize is for images, got records of \[3\]; leave it out"):
        load(tmp_path / "a.npz", resize=8)
