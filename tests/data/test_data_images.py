import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import (
    N_CLASSES,
    N_TEST,
    N_TRAIN,
    cifar10_files,
    cifar100_files,
    png,
    write_folder,
    write_idx,
    write_mnist,
    write_tar,
)
from PIL import Image

from leakbench.core.errors import InputError
from leakbench.data.formats import FORMATS, read_path

ROWS = np.arange(N_TRAIN + N_TEST)


def read(path, format=None, label=None):
    return read_path(path, FORMATS.names() if format is None else [format], label)


def check(raw, x, y, own_test=True):
    """Everything came back exactly: pixels / 255, labels, the test part, and any subset of rows alone."""
    expected = (x if x.ndim == 4 else x[:, None]).astype(np.float64) / 255
    got = raw.take(ROWS)
    assert got.dtype == np.float32 and got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected.astype(np.float32))
    np.testing.assert_array_equal(raw.take(np.array([3, 17, 71])), got[[3, 17, 71]])
    np.testing.assert_array_equal(raw.labels, y)
    np.testing.assert_array_equal(raw.test, ROWS >= N_TRAIN if own_test else np.zeros(len(ROWS), bool))


class TestIdx:
    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_a_folder_comes_back_exactly(self, tmp_path, grey, labels, suffix):
        check(read(write_mnist(tmp_path / "m", grey, labels, suffix)), grey, labels)

    def test_torchvisions_raw_folder(self, tmp_path, grey, labels):
        write_mnist(tmp_path / "raw", grey, labels)
        check(read(tmp_path), grey, labels)

    def test_one_images_file_has_no_test_part(self, tmp_path, grey, labels):
        write_idx(tmp_path / "a-images-idx3-ubyte", grey)
        write_idx(tmp_path / "a-labels-idx1-ubyte.gz", labels.astype(np.uint8))
        check(read(tmp_path / "a-images-idx3-ubyte"), grey, labels, own_test=False)

    def test_a_truncated_file(self, tmp_path, grey, labels):
        file = write_mnist(tmp_path / "m", grey, labels, "") / "train-images-idx3-ubyte"
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(InputError, match=r"2100 values announced, 2099 there"):
            read(tmp_path / "m")

    def test_more_images_than_labels(self, tmp_path, grey, labels):
        folder = write_mnist(tmp_path / "m", grey, labels)
        write_idx(folder / "train-labels-idx1-ubyte.gz", labels[:59].astype(np.uint8))
        with pytest.raises(InputError, match=r"one label an image, got 60 and 59"):
            read(folder)

    def test_missing_labels(self, tmp_path, grey):
        write_idx(tmp_path / "train-images-idx3-ubyte", grey)
        with pytest.raises(InputError, match=r"train-labels-idx1-ubyte.* got no such file"):
            read(tmp_path)


class TestCifarPickle:
    def test_cifar10_archive(self, tmp_path, colour, labels):
        raw = read(write_tar(tmp_path / "cifar-10-python.tar.gz", cifar10_files(colour, labels)))
        check(raw, colour, labels)
        assert raw.classes == ("cat", "dog", "frog", "ship")

    @pytest.mark.parametrize("inside", ["", "cifar-10-batches-py"])
    def test_cifar10_folder(self, tmp_path, colour, labels, inside):
        write_folder(tmp_path, cifar10_files(colour, labels))
        check(read(tmp_path / inside), colour, labels)

    def test_archive_inside_a_folder(self, tmp_path, colour, labels):
        write_tar(tmp_path / "cifar-10-python.tar.gz", cifar10_files(colour, labels))
        check(read(tmp_path), colour, labels)

    def test_cifar100_fine_and_coarse(self, tmp_path, colour, labels):
        archive = write_tar(tmp_path / "cifar-100-python.tar.gz", cifar100_files(colour, labels))
        fine, coarse = read(archive), read(archive, label="coarse_labels")
        check(fine, colour, labels)
        check(coarse, colour, labels // 2)
        assert fine.classes == ("apple", "baby", "bear", "bed")
        assert coarse.classes == ("food", "rest")

    def test_a_label_column_that_is_not_there(self, tmp_path, colour, labels):
        write_folder(tmp_path, cifar100_files(colour, labels))
        with pytest.raises(
            InputError, match=r"'medium_labels'.*the batch holds:.*coarse_labels.*fine_labels"
        ):
            read(tmp_path, label="medium_labels")

    def test_a_missing_batch_of_names_leaves_numbers(self, tmp_path, colour, labels):
        files = cifar10_files(colour, labels)
        del files["cifar-10-batches-py/batches.meta"]
        raw = read(write_folder(tmp_path, files))
        check(raw, colour, labels)
        assert raw.classes is None

    def test_data_of_another_shape(self, tmp_path):
        batch = {b"data": np.zeros((2, 3000), np.uint8), b"labels": [0, 1]}
        write_folder(tmp_path, {"data_batch_1": pickle.dumps(batch, protocol=2)})
        with pytest.raises(InputError, match=r"uint8 \[N, 3072\], got uint8 \[2, 3000\]"):
            read(tmp_path)


def image_table(x, y, image="img", label="label", **columns):
    images = [{"bytes": png(image), "path": f"{i}.png"} for i, image in enumerate(x)]
    return pa.table({image: images, label: y, **columns})


class TestImageParquet:
    def test_shards_come_back_exactly(self, tmp_path, colour, labels):
        table = image_table(colour, labels)
        pq.write_table(table[:25], tmp_path / "train-00000-of-00002.parquet")
        pq.write_table(table[25:N_TRAIN], tmp_path / "train-00001-of-00002.parquet")
        pq.write_table(table[N_TRAIN:], tmp_path / "test-00000-of-00001.parquet")
        check(read(tmp_path), colour, labels)

    def test_a_sub_folder_and_cifar100s_columns(self, tmp_path, colour, labels):
        (tmp_path / "data").mkdir()
        table = image_table(colour, labels, "image", "fine_label", coarse_label=labels // 2)
        pq.write_table(table[:N_TRAIN], tmp_path / "data" / "train-00000-of-00001.parquet")
        pq.write_table(table[N_TRAIN:], tmp_path / "data" / "test-00000-of-00001.parquet")
        check(read(tmp_path), colour, labels)
        check(read(tmp_path, label="coarse_label"), colour, labels // 2)

    def test_one_file_of_grey_images_with_class_names(self, tmp_path, grey, labels):
        features = {"label": {"names": ["a", "b", "c", "d"], "_type": "ClassLabel"}}
        info = json.dumps({"info": {"features": features}})
        table = image_table(grey, labels).replace_schema_metadata({"huggingface": info})
        pq.write_table(table, tmp_path / "all.parquet")
        raw = read(tmp_path / "all.parquet")
        check(raw, grey, labels, own_test=False)
        assert raw.classes == ("a", "b", "c", "d")

    def test_a_path_instead_of_bytes(self, tmp_path, grey, labels):
        write_folder(tmp_path, {f"{i}.png": png(image) for i, image in enumerate(grey)})
        images = pa.array([{"bytes": None, "path": f"{i}.png"} for i in ROWS])
        images = images.cast(pa.struct({"bytes": pa.binary(), "path": pa.string()}))
        pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "all.parquet")
        check(read(tmp_path / "all.parquet"), grey, labels, own_test=False)

    def test_no_label_column(self, tmp_path, grey, labels):
        pq.write_table(image_table(grey, labels, label="kind"), tmp_path / "all.parquet")
        with pytest.raises(InputError, match=r"a column 'label' or 'fine_label' or 'labels', got img, kind"):
            read(tmp_path / "all.parquet")
        check(read(tmp_path / "all.parquet", label="kind"), grey, labels, own_test=False)

    def test_two_sets_of_shards(self, tmp_path, grey, labels):
        for name in ("fine", "coarse"):
            (tmp_path / name).mkdir()
            pq.write_table(image_table(grey, labels), tmp_path / name / "train-00000-of-00001.parquet")
        with pytest.raises(InputError, match=r"one set of shards, got coarse, fine; give one's path"):
            read(tmp_path)

    def test_a_broken_image_is_named(self, tmp_path):
        images = [
            {"bytes": png(np.zeros((3, 3), np.uint8)), "path": "a"},
            {"bytes": b"no image", "path": "b"},
        ]
        pq.write_table(pa.table({"img": images, "label": [0, 1]}), tmp_path / "all.parquet")
        with pytest.raises(
            InputError, match=r"all.parquet: image 1 must be an image, got text beginning 'no image'"
        ):
            read(tmp_path / "all.parquet").take(np.array([0, 1]))


class TestImageFolder:
    def test_classes_are_folders(self, tmp_path, grey, labels):
        files = {f"class {y}/{i:03}.png": png(x) for i, (x, y) in enumerate(zip(grey, labels, strict=True))}
        write_folder(tmp_path, {**files, ".hidden/x.png": b"", "class 0/notes.txt": b"no image"})
        raw = read(tmp_path)
        order = np.argsort(labels, kind="stable")
        check(raw, grey[order], np.array([f"class {y}" for y in labels[order]]), own_test=False)

    def test_train_and_test(self, tmp_path, colour, labels):
        order = np.concatenate(
            [
                np.argsort(labels[:N_TRAIN], kind="stable"),
                N_TRAIN + np.argsort(labels[N_TRAIN:], kind="stable"),
            ]
        )
        part = np.where(ROWS < N_TRAIN, "train", "test")
        files = {f"{part[i]}/{labels[i]}/{i:03}.png": png(colour[i]) for i in ROWS}
        check(read(write_folder(tmp_path, files)), colour[order], labels[order].astype(str))

    def test_sizes_must_agree(self, tmp_path):
        small, big = png(np.zeros((3, 3), np.uint8)), png(np.zeros((3, 4), np.uint8))
        raw = read(write_folder(tmp_path, {"a/1.png": small, "b/2.png": big}))
        with pytest.raises(
            InputError, match=r"one size, got height x width 3 x 3 for .*1.png and 3 x 4 for .*2.png"
        ):
            raw.take(np.array([0, 1]))

    def test_grey_beside_colour_becomes_colour(self, tmp_path, grey, colour):
        square = grey[0, :5, :5]
        pictures = {"a/1.png": png(square), "b/2.png": png(colour[0, :, :5, :5])}
        x = read(write_folder(tmp_path, pictures)).take(np.array([0, 1])) * 255
        np.testing.assert_allclose(x[0], np.stack([square] * 3), atol=1e-4)
        np.testing.assert_allclose(x[1], colour[0, :, :5, :5], atol=1e-4)

    def test_sixteen_bits_are_refused(self, tmp_path):
        (tmp_path / "a").mkdir()
        Image.fromarray(np.full((3, 3), 40000, np.uint16)).save(tmp_path / "a" / "1.png")
        with pytest.raises(InputError, match=r"8 bits a channel, got mode I;16"):
            read(tmp_path).take(np.array([0]))


class TestImageCsv:
    @pytest.fixture
    def pictures(self, tmp_path, grey):
        return write_folder(tmp_path, {f"dataset/{i}.png": png(image) for i, image in enumerate(grey)})

    def lines(self, labels, header):
        return "\n".join([header, *(f"{i}.png,{y}" for i, y in enumerate(labels))]).strip() + "\n"

    def test_synthshields_header_with_a_space(self, pictures, grey, labels):
        csv = pictures / "img_label_cifar_gen.csv"
        csv.write_text(self.lines(labels, "img ,label"))
        check(read(csv), grey, labels, own_test=False)
        check(read(pictures), grey, labels, own_test=False)

    def test_no_header(self, pictures, grey, labels):
        (pictures / "all.csv").write_text(self.lines(labels, ""))
        check(read(pictures), grey, labels, own_test=False)

    def test_paths_text_labels_and_further_columns(self, pictures, grey, labels):
        names = np.array(["ant", "bee", "cow", "dog"])[labels]
        rows = "".join(f"7,{name},dataset/{i}.png\n" for i, name in enumerate(names))
        (pictures / "all.csv").write_text(f"fold,kind,file\n{rows}")
        check(read(pictures, label="kind"), grey, names, own_test=False)
        with pytest.raises(InputError, match=r"got none of them among fold, kind, file; name it with label"):
            read(pictures)

    def test_a_missing_image_is_named(self, pictures, labels):
        (pictures / "all.csv").write_text(self.lines(labels, "img,label") + "nowhere.png,1\n")
        with pytest.raises(InputError, match=r"got no such file for 'nowhere.png'"):
            read(pictures)

    def test_two_such_files(self, pictures, labels):
        for name in ("a.csv", "b.csv"):
            (pictures / name).write_text(self.lines(labels, "img,label"))
        with pytest.raises(InputError, match=r"got a.csv, b.csv; give its path"):
            read(pictures)


def test_the_fixtures_hold_every_class(labels):
    assert set(labels[:N_TRAIN]) == set(labels[N_TRAIN:]) == set(range(N_CLASSES))
