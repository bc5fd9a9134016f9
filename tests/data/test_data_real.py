"""The real files, where they are present."""

import hashlib

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from leakbench.data import load
from leakbench.data.formats.idx import read_idx

PUBLISHED_MD5 = {"train": "6bbc9ace898e44ae57da46a324031adb", "t10k": "2646ac647ad5339dbf082846283269ea"}


def need(real_data, name):
    if not (real_data / name).is_dir():
        pytest.skip(f"LEAKBENCH_DATA has no folder {name}")
    return real_data / name


@pytest.mark.parametrize("part", PUBLISHED_MD5)
def test_mnist_is_the_published_file(real_data, part):
    folder = need(real_data, "mnist")
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz", 3)
    header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in images.shape)
    assert hashlib.md5(header + images.tobytes()).hexdigest() == PUBLISHED_MD5[part]


def test_mnist(real_data):
    need(real_data, "mnist")
    data = load("mnist", records=3000)
    assert data.x.shape[1:] == (1, 28, 28)
    assert {part: len(rows) for part, rows in data.parts.items()} == {
        "pool": 3000,
        "dev": 333,
        "test": 10000,
        "public": 0,
    }
    assert data.x.mean() == pytest.approx(0.1307, abs=0.005)  # the mean that everybody normalises with
    assert np.bincount(data.y[data.parts["test"]]).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_cifar10(real_data):
    need(real_data, "cifar10")
    data = load("cifar10", records=4000)
    train = data.x[np.concatenate([data.parts["pool"], data.parts["dev"]])]
    assert train.shape == (4444, 3, 32, 32)
    np.testing.assert_allclose(train.mean(axis=(0, 2, 3)), [0.4914, 0.4822, 0.4465], atol=0.01)
    np.testing.assert_allclose(train.std(axis=(0, 2, 3)), [0.2470, 0.2435, 0.2616], atol=0.01)
    assert np.bincount(data.y[data.parts["test"]]).tolist() == [1000] * 10
    assert data.classes[0] == "airplane" and data.classes[9] == "truck"


@pytest.mark.slow
def test_cifar10s_normalisation(real_data):
    """The constants are the training part's own, to the digits that they have."""
    need(real_data, "cifar10")
    data = load("cifar10")
    train = data.x[np.concatenate([data.parts["pool"], data.parts["dev"]])]
    np.testing.assert_allclose(train.mean(axis=(0, 2, 3), dtype=np.float64), data.mean, atol=5e-5)
    np.testing.assert_allclose(train.std(axis=(0, 2, 3), dtype=np.float64), data.std, atol=5e-5)


def test_location30(real_data):
    need(real_data, "location30")
    data = load("location30")
    assert data.x.shape == (5010, 446)
    assert data.classes == tuple(str(i) for i in range(1, 31))
    assert set(np.unique(data.x)) == {0, 1}
    assert data.source.startswith("Shokri")


def test_adult(real_data):
    """The published files; logistic regression is right for 85 % of the people in the test part."""
    folder = need(real_data, "adult")
    data = load("adult")
    assert {part: len(rows) for part, rows in data.parts.items()} == {
        "pool": 29_305,
        "dev": 3_256,
        "test": 16_281,
        "public": 0,
    }
    assert data.x.shape == (48_842, 6 + 9 + 16 + 7 + 15 + 6 + 5 + 2 + 42)  # "?" is one of 9, 15 and 42
    assert data.classes == ("<=50K", ">50K")
    assert np.bincount(data.y[data.parts["test"]]).tolist() == [12_435, 3_846]
    x = (data.x - np.float32(data.mean)) / np.float32(data.std)
    test = data.parts["test"]
    train = np.setdiff1d(np.arange(len(x)), test)[::4]
    model = LogisticRegression(max_iter=200).fit(x[train], data.y[train])
    assert 0.845 < model.score(x[test], data.y[test]) < 0.86
    alone = load(folder / "adult.data.csv", label="classification", missing="?")
    assert alone.x.shape == (32_561, 108) and alone.classes == data.classes
