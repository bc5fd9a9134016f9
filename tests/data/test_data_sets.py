"""The known data sets that need more than a format, and what is known of each."""

import struct
import zipfile

import numpy as np
import pytest
from layouts import (
    N_TEST,
    N_TRAIN,
    cifar10_files,
    cifar100_files,
    png,
    write_folder,
    write_mnist,
    write_svhn,
    write_tar,
)
from scipy.io import savemat

from leakbench.core.errors import InputError
from leakbench.data import DATASETS, Dataset, load
from leakbench.data.formats import read_path

ROWS = np.arange(N_TRAIN + N_TEST)
TISSUES = ("TUMOR", "STROMA", "COMPLEX", "LYMPHO", "DEBRIS", "MUCOSA", "ADIPOSE", "EMPTY")


class TestSvhn:
    @pytest.fixture
    def digits(self, rng):
        return np.concatenate([rng.permutation(np.arange(n) % 10) for n in (N_TRAIN, N_TEST)])

    def test_comes_back_exactly_and_ten_means_zero(self, tmp_path, colour, digits):
        write_svhn(tmp_path / "svhn", colour, digits)
        raw = read_path(tmp_path / "svhn", ["svhn_mat"], None)
        got = raw.take(ROWS)
        assert got.dtype == np.float32 and got.flags.c_contiguous
        np.testing.assert_array_equal(got, np.float32(colour / 255))
        np.testing.assert_array_equal(raw.take(np.array([5, 70])), got[[5, 70]])
        np.testing.assert_array_equal(raw.labels, digits)
        np.testing.assert_array_equal(raw.test, ROWS >= N_TRAIN)

    def test_by_name(self, tmp_path, colour, digits):
        write_svhn(tmp_path / "svhn", colour, digits)
        data = load("svhn", root=str(tmp_path), dev=0.2)
        assert data.classes == tuple("0123456789")
        assert (data.mean, data.std) == ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
        np.testing.assert_array_equal(data.y[data.parts["test"]], digits[N_TRAIN:])

    def test_one_file_has_no_test_part(self, tmp_path, colour, digits):
        write_svhn(tmp_path, colour, digits)
        raw = read_path(tmp_path / "test_32x32.mat", ["svhn_mat"], None)
        assert len(raw.labels) == N_TEST and not raw.test.any()

    X = np.zeros((32, 32, 3, 2), np.uint8)
    Y = np.array([[1], [10]], np.uint8)

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "u8"])
    def test_labels_of_any_type_between_other_variables(self, tmp_path, dtype, packed):
        arrays = {"a": {"b": "text"}, "y": self.Y.astype(dtype), "other": "name", "X": self.X}
        savemat(tmp_path / "a.mat", arrays, do_compression=packed)
        assert read_path(tmp_path / "a.mat", ["svhn_mat"], None).labels.tolist() == [1, 0]

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"X": X}, r"y \[0\], in"),
            ({"y": Y}, r"X \[0\] of float64"),
            ({"x": X, "Y": Y}, r"X \[0\] of float64"),
            ({"X": X.astype(float), "y": Y}, r"X \[32, 32, 3, 2\] of float64"),
            ({"X": X[..., 0], "y": Y}, r"X \[32, 32, 3\] of uint8"),
            ({"X": X[:8], "y": Y}, r"X \[8, 32, 3, 2\] of uint8"),
            ({"X": X, "y": Y[:1]}, r"y \[1, 1\], in 1..1"),
            ({"X": X, "y": Y + 1}, r"y \[2, 1\], in 2..11"),
            ({"X": X, "y": Y / 4}, r"y \[2, 1\], in 0.25..2.5"),
            ({"X": X, "y": Y - 1}, r"y \[2, 1\], in 0..9"),
            ({"X": X, "y": Y + 0j}, r"y is no array of real numbers"),
            ({"X": X, "y": np.array([["a"], [1.0]], object)}, r"y is no array of real numbers"),
            ({"X": {"a": 1}, "y": Y}, r"X is no array of real numbers"),
        ],
    )
    def test_only_plain_arrays_of_svhns_shape(self, tmp_path, arrays, message):
        savemat(tmp_path / "a.mat", arrays)
        with pytest.raises(
            InputError, match=rf"a.mat must be a MATLAB file of SVHN's .*, got .*{message}"
        ) as error:
            load(tmp_path / "a.mat")
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("version", [b"\x01\x00MI", b"\x00\x02IM"])
    def test_another_level_or_byte_order(self, tmp_path, version):
        savemat(tmp_path / "a.mat", {"X": self.X, "y": self.Y})
        content = bytearray((tmp_path / "a.mat").read_bytes())
        content[124:128] = version
        (tmp_path / "a.mat").write_bytes(content)
        with pytest.raises(InputError, match=r"no level 5 header"):
            load(tmp_path / "a.mat")

    @pytest.mark.parametrize("keep", [1, 100, 127, 128, 140, 200, -300, -1])
    @pytest.mark.parametrize("packed", [False, True])
    def test_a_truncated_file(self, tmp_path, colour, keep, packed):
        file = tmp_path / "a.mat"
        savemat(file, {"X": colour[:2].transpose(2, 3, 1, 0), "y": self.Y}, do_compression=packed)
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(InputError, match=r"a.mat must be a MATLAB file") as error:
            load(tmp_path / "a.mat")
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("packed", [False, True])
    def test_random_damage_is_one_error_or_none(self, tmp_path, colour, rng, packed):
        """Files of the unpacked kind make scipy's reader crash."""
        file = tmp_path / "a.mat"
        savemat(file, {"y": self.Y, "X": colour[:2].transpose(2, 3, 1, 0)}, do_compression=packed)
        good = file.read_bytes()
        refused = 0
        for _ in range(400):
            bad = bytearray(good)
            for place in rng.integers(120, 260, 3):
                bad[place] = rng.integers(256)
            file.write_bytes(bad)
            try:
                read_path(file, ["svhn_mat"], None)
            except InputError as error:
                refused += 1
                assert "\n" not in str(error)
        assert refused > 100

    def test_a_size_that_is_not_there_is_refused(self, tmp_path):
        """The header announces 4 million images, 12 GB."""
        file = tmp_path / "a.mat"
        savemat(file, {"X": self.X, "y": self.Y})
        old, new = struct.pack("<4i", 32, 32, 3, 2), struct.pack("<4i", 32, 32, 3, 4_000_000)
        content = file.read_bytes()
        assert content.count(old) == 1
        file.write_bytes(content.replace(old, new))
        with pytest.raises(InputError, match=r"X of \[32, 32, 3, 4000000\], 6144 numbers there"):
            load(file)


class TestChMnist:
    @pytest.fixture
    def tiles(self, rng):
        """Four 15 x 15 tiles of each tissue, each class of its own brightness."""
        base = np.arange(8)[:, None, None, None, None] * 30
        return (base + rng.integers(0, 30, (8, 4, 3, 15, 15))).astype(np.uint8)

    def files(self, tiles):
        return {
            f"Kather_texture_2016_image_tiles_5000/{k + 1:02}_{name}/{i:X}_CRC-Prim.tif": png(tile)
            for k, name in enumerate(TISSUES)
            for i, tile in enumerate(tiles[k])
        }

    def check(self, root, tiles):
        data = load("chmnist", root=str(root), test=0.25, dev=0.0)
        assert data.classes == TISSUES
        assert data.x.shape == (32, 3, 32, 32)
        brightness = np.array([data.x[data.y == k].mean() for k in range(8)]) * 255
        np.testing.assert_allclose(brightness, tiles.mean(axis=(1, 2, 3, 4)), atol=1)
        return data

    def test_unpacked_at_any_depth(self, tmp_path, tiles):
        for root, inside in ((tmp_path / "a", ""), (tmp_path / "b", "Kather_texture_2016_image_tiles_5000/")):
            write_folder(root / "chmnist", {inside + name: c for name, c in self.files(tiles).items()})
            self.check(root, tiles)

    def test_packed_as_it_is_published(self, tmp_path, tiles):
        (tmp_path / "chmnist").mkdir()
        with zipfile.ZipFile(
            tmp_path / "chmnist" / "Kather_texture_2016_image_tiles_5000.zip", "w"
        ) as archive:
            for name, content in {
                **self.files(tiles),
                "__MACOSX/01_TUMOR/x.tif": b"",
                "a.tif": b"",
            }.items():
                archive.writestr(name, content)
        packed = self.check(tmp_path, tiles)
        write_folder(tmp_path / "chmnist", self.files(tiles))
        assert self.check(tmp_path, tiles).fingerprint == packed.fingerprint

    def test_another_size(self, tmp_path, tiles):
        write_folder(tmp_path / "chmnist", self.files(tiles))
        assert load("chmnist", root=str(tmp_path), resize=15, dev=0.0, test=0.25).x.shape[1:] == (3, 15, 15)


class TestImageZip:
    @pytest.fixture
    def archive(self, tmp_path, grey, labels):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for i, (image, y) in enumerate(zip(grey, labels, strict=True)):
                archive.writestr(f"top/{y}/{i:03}.png", png(image))
        return tmp_path / "a.zip"

    def test_comes_back_exactly(self, archive, grey, labels):
        raw = read_path(archive, ["image_zip"], None)
        order = np.argsort(labels, kind="stable")
        np.testing.assert_array_equal(raw.labels, labels[order].astype(str))
        np.testing.assert_array_equal(raw.take(ROWS), np.float32(grey[order, None] / 255))
        assert len(load(archive.parent).x) == len(grey)

    def test_damaged(self, archive):
        content = bytearray(archive.read_bytes())
        content[60:90] = bytes(30)
        archive.write_bytes(content)
        with pytest.raises(InputError, match=r"a.zip.* must be .*image") as error:
            load(archive)
        assert "\n" not in str(error.value)

    def test_encrypted(self, archive):
        content = bytearray(archive.read_bytes())
        for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            for at in range(len(content)):
                if content.startswith(magic, at):
                    content[at + flags] |= 1
        archive.write_bytes(content)
        with pytest.raises(InputError, match=r"a.zip must be a zip archive of images, got .*encrypted"):
            load(archive)

    def test_without_images(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("../../evil.txt", "hello")
        with pytest.raises(InputError, match=r"one folder of images a class, got no image"):
            load(tmp_path / "a.zip")

    def test_two_archives_are_no_layout(self, archive):
        (archive.parent / "b.zip").write_bytes(archive.read_bytes())
        with pytest.raises(InputError, match=r"known layout, got a folder with a.zip, b.zip"):
            load(archive.parent)

    def test_leaves_other_layouts_alone(self, archive, grey, labels):
        write_mnist(archive.parent, grey, labels)
        assert load(archive.parent).parts["test"].size == N_TEST


class TestNormalisation:
    def test_cifar_carries_it_and_x_stays_as_it_is(self, tmp_path, colour, labels):
        (tmp_path / "cifar10").mkdir()
        (tmp_path / "cifar100").mkdir()
        path = write_tar(tmp_path / "cifar10" / "cifar-10-python.tar.gz", cifar10_files(colour, labels))
        write_tar(tmp_path / "cifar100" / "cifar-100-python.tar.gz", cifar100_files(colour, labels))
        by_name, by_path = load("cifar10", root=str(tmp_path)), load(path)
        assert (by_name.mean, by_name.std) == ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
        assert by_path.mean == by_path.std == ()
        np.testing.assert_array_equal(by_name.x, by_path.x)
        assert by_name.fingerprint != by_path.fingerprint
        assert by_name.describe()["mean"] == [0.4914, 0.4822, 0.4465] and by_path.describe()["std"] == []
        assert load("cifar100", root=str(tmp_path)).mean == (0.5071, 0.4865, 0.4409)

    def make(self, **options):
        x, y = np.linspace(0, 1, 4 * 3 * 4, dtype=np.float32).reshape(4, 3, 2, 2), np.arange(4) % 2
        return Dataset("d", x, y, ("a", "b"), {"pool": np.arange(4)}, **options)

    def test_the_fingerprint_tells_every_number(self):
        plain = self.make()
        first = self.make(mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
        others = [
            self.make(mean=(0.5, 0.5, 0.6), std=(0.2, 0.2, 0.2)),
            self.make(mean=(0.5, 0.5, 0.5), std=(0.2, 0.3, 0.2)),
        ]
        assert plain.fingerprint == self.make(mean=(), std=()).fingerprint
        assert len({data.fingerprint for data in (plain, first, *others)}) == 4

    @pytest.mark.parametrize(
        ("mean", "std"),
        [
            ((0.5,), (0.2,)),
            ((0.5,) * 3, ()),
            ((), (0.5,) * 3),
            ((0.5,) * 3, (0.5, 0.0, 0.5)),
            ((0.5,) * 4, (1.0,) * 4),
        ],
    )
    def test_one_number_a_channel(self, mean, std):
        with pytest.raises(InputError, match=r"mean and std of 'd' must have one number a channel \(3\)"):
            self.make(mean=mean, std=std)


def test_a_set_in_two_formats_is_read_in_the_first(tmp_path, grey, labels):
    folder = write_mnist(tmp_path / "mnist", grey, labels)
    alone = load("mnist", root=str(tmp_path))
    write_folder(folder, {"train-00000-of-00001.parquet": b"not looked at"})
    assert load("mnist", root=str(tmp_path)).fingerprint == alone.fingerprint


def test_location_is_another_name_of_location30(tmp_path, rng):
    lines = "".join(f"{i % 3},{','.join(map(str, rng.integers(0, 2, 5)))}\n" for i in range(60))
    for name in ("location30", "location"):
        root = tmp_path / name
        write_folder(root / name, {"bangkok": lines.encode()})
        assert load("location", root=str(root)).fingerprint == load("location30", root=str(root)).fingerprint


def test_adult_as_uci_publishes_it(tmp_path):
    """No header, a line about cross-validation in front of the test part, and dots behind its classes."""
    person = (
        "{}, Private, 77516, {}, 13, Never-married, {}, Husband, White, Male, 2174, 0, 40, United-States, {}"
    )
    education, work = ["Preschool", *["HS-grad"] * 89], ["?", "Sales"] * 45
    incomes = [">50K", "<=50K", "<=50K"] * 30
    rows = [
        person.format(20 + i % 50, *cells)
        for i, cells in enumerate(zip(education, work, incomes, strict=True))
    ]
    (tmp_path / "adult").mkdir()
    (tmp_path / "adult" / "adult.data").write_text("\n".join(rows[:60]) + "\n\n")
    (tmp_path / "adult" / "adult.test").write_text(
        "|1x3 Cross validator\n" + ".\n".join(rows[60:]) + ".\n\n", encoding="utf-8"
    )
    data = load("adult", root=str(tmp_path))
    assert data.classes == ("<=50K", ">50K") and data.x.shape == (90, 6 + 1 + 2 + 1 + 2 + 1 + 1 + 1 + 1)
    np.testing.assert_array_equal(data.parts["test"], np.arange(60, 90))
    np.testing.assert_array_equal(data.x[:, 0], 20 + np.arange(90) % 50)
    with_header = tmp_path / "with" / "adult"
    with_header.mkdir(parents=True)
    header = ", ".join(f"c{i}" for i in range(15))
    for part, some in (("data", rows[:60]), ("test", rows[60:])):
        (with_header / f"adult.{part}.csv").write_text("\n".join([header, *some]) + "\n")
    assert load(with_header).fingerprint == data.fingerprint


def test_every_published_file_is_described():
    for name in DATASETS.names():
        known = DATASETS.get(name)
        assert bool(known.files) == bool(known.formats)
        assert known.home.startswith("https://") or not known.files
        for file in known.files:
            kind, _, checksum = file.checksum.partition(":")
            assert len(checksum) == {"md5": 32, "sha256": 64, "": 0}[kind]
            assert bool(file.checksum) == (file.size > 0)
