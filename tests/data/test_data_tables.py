import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import N_TEST, N_TRAIN, write_folder, write_tar

from leakbench.core.errors import InputError
from leakbench.data.formats import FORMATS, read_path

ROWS = np.arange(N_TRAIN + N_TEST)


def read(path, format=None, label=None):
    return read_path(path, FORMATS.names() if format is None else [format], label)


def check(raw, x, y):
    got = raw.take(ROWS)
    assert got.dtype == np.float32 and got.flags.c_contiguous
    np.testing.assert_array_equal(got, np.asarray(x, np.float32))
    np.testing.assert_array_equal(raw.take(np.array([5, 70])), got[[5, 70]])
    np.testing.assert_array_equal(raw.labels, y)


class TestArrays:
    @pytest.fixture
    def numbers(self, rng):
        return rng.normal(size=(len(ROWS), 6))

    @pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("images", "labels"), ("features", "labels")])
    def test_npz(self, tmp_path, numbers, labels, names):
        np.savez(tmp_path / "a.npz", **dict(zip(names, (numbers, labels), strict=True)))
        raw = read(tmp_path / "a.npz")
        check(raw, numbers, labels)
        assert not raw.test.any()

    @pytest.mark.parametrize("form", ["{name}_{part}", "{part}_{name}"])
    def test_train_and_test_parts(self, tmp_path, numbers, labels, form):
        parts = {"train": slice(N_TRAIN), "test": slice(N_TRAIN, None)}
        arrays = {form.format(name="x", part=p): numbers[rows] for p, rows in parts.items()}
        arrays |= {form.format(name="y", part=p): labels[rows, None] for p, rows in parts.items()}
        np.savez_compressed(tmp_path / "a.npz", **arrays, x_val=numbers[:2], y_val=labels[:2])
        raw = read(tmp_path / "a.npz")
        check(raw, numbers, labels)
        np.testing.assert_array_equal(raw.test, ROWS >= N_TRAIN)

    def test_npy_files_and_one_hot_labels(self, tmp_path, numbers, labels):
        np.save(tmp_path / "x.npy", numbers)
        np.save(tmp_path / "labels.npy", np.eye(4)[labels])
        check(read(tmp_path), numbers, labels)

    def test_images_of_bytes(self, tmp_path, grey, colour, labels):
        expected = {"grey": grey[:, None] / 255, "first": colour / 255, "last": colour / 255}
        stored = {"grey": grey, "first": colour, "last": colour.transpose(0, 2, 3, 1).astype(np.int64)}
        for kind, images in stored.items():
            np.savez(tmp_path / f"{kind}.npz", images=images, labels=labels)
            check(read(tmp_path / f"{kind}.npz"), expected[kind], labels)

    def test_images_of_fractions(self, tmp_path, grey, labels):
        np.savez(tmp_path / "a.npz", x=grey / 255, y=labels)
        check(read(tmp_path / "a.npz"), grey[:, None] / 255, labels)
        np.savez(tmp_path / "b.npz", x=grey.astype(float), y=labels)
        with pytest.raises(InputError, match=r"images of float64 must lie in 0..1, got 0.0..255.0; scale"):
            read(tmp_path / "b.npz")

    def test_python_objects_are_refused(self, tmp_path, labels):
        class Boom:
            def __reduce__(self):
                return open, (str(tmp_path / "executed"), "w")

        np.savez(tmp_path / "a.npz", x=np.array([Boom()] * len(labels), dtype=object), y=labels)
        with pytest.raises(
            InputError, match=r"an npz file .* of plain numbers, got a zip archive .*Python objects"
        ):
            read(tmp_path / "a.npz")
        assert not (tmp_path / "executed").exists()

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"a": np.zeros(3)}, "must hold x and y, or x_train and y_train, got a"),
            ({"x": np.zeros((3, 2))}, "got no labels among x"),
            ({"x": np.zeros((3, 2)), "y": np.zeros(4)}, r"got \[4\] and \[3, 2\]"),
            ({"x": np.zeros((3, 2, 2, 2)), "y": np.zeros(3)}, r"1 or 3 channels, got \[3, 2, 2, 2\]"),
            ({"x": np.zeros(3), "y": np.zeros(3)}, r"\[N, D\] or images of 1 or 3 channels, got \[3\]"),
            ({"x": np.array(["a"]), "y": np.zeros(1)}, "records must be numbers, got <U1"),
            ({"x": np.zeros((3, 2)), "y": np.ones((3, 2))}, "rows that are not one-hot"),
            (
                {"x": np.zeros((3, 2)), "y": np.zeros(3), "labels": np.zeros(3)},
                "one array of .* got y, labels",
            ),
            ({"x_test": np.zeros((3, 2)), "y_test": np.zeros(3)}, "a training part beside its test part"),
        ],
    )
    def test_wrong_arrays(self, tmp_path, arrays, message):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(InputError, match=message):
            read(tmp_path / "a.npz")

    def test_label_chooses_among_arrays(self, tmp_path, numbers, labels):
        np.savez(tmp_path / "a.npz", x=numbers, y=labels, coarse=labels // 2)
        check(read(tmp_path / "a.npz", label="coarse"), numbers, labels // 2)


class TestTable:
    @pytest.fixture
    def columns(self, rng, labels):
        return {
            "age": rng.integers(18, 90, len(ROWS)),
            "colour": rng.choice(["red", "blue"], len(ROWS)),
            "label": np.array(["no", "yes", "maybe", "never"])[labels],
            "weight": np.round(rng.normal(size=len(ROWS)), 6),
            "smokes": rng.random(len(ROWS)) < 0.5,
        }

    @pytest.fixture
    def expected(self, columns):
        c = columns
        return np.column_stack(
            [c["age"], c["colour"] == "blue", c["colour"] == "red", c["weight"], c["smokes"]]
        )

    def csv(self, columns):
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        return "\n".join(lines) + "\n"

    def test_csv(self, tmp_path, columns, expected):
        (tmp_path / "a.csv").write_text(self.csv(columns))
        check(read(tmp_path / "a.csv"), expected, columns["label"])

    def test_parquet_with_categories_and_a_pandas_index(self, tmp_path, columns, expected):
        table = pa.table({**columns, "__index_level_0__": ROWS})
        table = table.set_column(1, "colour", pa.array(columns["colour"]).dictionary_encode())
        pq.write_table(table, tmp_path / "a.parquet")
        check(read(tmp_path / "a.parquet"), expected, columns["label"])

    def test_another_label_column(self, tmp_path, columns):
        del columns["label"]
        (tmp_path / "a.csv").write_text(self.csv(columns))
        assert set(read(tmp_path / "a.csv", label="colour").labels) == {"red", "blue"}
        with pytest.raises(InputError, match=r"one column of label, class, target, y, got none .*label = "):
            read(tmp_path / "a.csv")
        with pytest.raises(InputError, match=r"the label column 'color', got age, colour"):
            read(tmp_path / "a.csv", label="color")

    @pytest.mark.parametrize("value", ["", "nan", "inf", "NA"])
    @pytest.mark.parametrize("column", ["weight", "label"])
    def test_a_missing_value_names_its_column(self, tmp_path, columns, value, column):
        if column == "label" and value == "inf":
            value = ""
        columns[column] = columns[column].astype(object)
        columns[column][7] = value
        (tmp_path / "a.csv").write_text(self.csv(columns))
        with pytest.raises(
            InputError, match=f"column '{column}' must have a number or text in every row, got 1 "
        ):
            read(tmp_path / "a.csv")

    def test_a_column_of_identifiers(self, tmp_path):
        rows = "".join(f"name {i},{i % 2}\n" for i in range(1001))
        (tmp_path / "a.csv").write_text(f"who,label\n{rows}")
        with pytest.raises(
            InputError, match=r"column 'who' must have at most 1000 distinct texts.* got 1001"
        ):
            read(tmp_path / "a.csv")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("label,a,a\n0,1,2\n", "different names, got 'a' more than once"),
            ("label,a\n", "at least one record"),
            ("label\n1\n2\n", "columns beside 'label'"),
            (
                "label,when\n1,2020-01-01\n",
                "column 'when' must hold numbers or text, got dates or times such as '2020-01-01'",
            ),
            ("label,a\n1,2,3\n", "must be a CSV table, got text beginning 'label,a"),
            ("", "must be a CSV table, got an empty file"),
        ],
    )
    def test_wrong_tables(self, tmp_path, text, message):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read(tmp_path / "a.csv")


class TestShokri:
    """Location-30, Purchase-100 and Texas-100 as published."""

    @pytest.fixture
    def bits(self, rng):
        return rng.integers(0, 2, (len(ROWS), 9))

    def rows(self, matrix):
        file = io.StringIO()
        np.savetxt(file, matrix, fmt="%d", delimiter=",")
        return file.getvalue().encode()

    def test_location_quotes_its_classes(self, tmp_path, bits, labels):
        lines = [f'"{y + 1}",{",".join(map(str, x))}\n' for x, y in zip(bits, labels, strict=True)]
        content = "".join(lines).encode()
        write_tar(tmp_path / "dataset_location.tgz", {"bangkok": content})
        check(read(tmp_path / "dataset_location.tgz"), bits, labels + 1)
        write_folder(tmp_path / "unpacked", {"bangkok": content})
        check(read(tmp_path / "unpacked"), bits, labels + 1)
        check(read(tmp_path / "unpacked" / "bangkok"), bits, labels + 1)

    def test_purchase(self, tmp_path, bits, labels):
        content = self.rows(np.column_stack([labels + 1, bits]))
        write_tar(tmp_path / "dataset_purchase.tgz", {"dataset_purchase": content})
        check(read(tmp_path), bits, labels + 1)
        check(
            read(write_folder(tmp_path / "other", {"p.csv": content}) / "p.csv", "class_first"),
            bits,
            labels + 1,
        )

    def test_texas_takes_the_folder_of_100_classes(self, tmp_path, bits, labels):
        files = {
            "texas/10/feats": self.rows(bits[:3]),
            "texas/10/labels": self.rows(labels[:3]),
            "texas/100/labels": self.rows(labels + 1),
            "texas/100/feats": self.rows(bits),
        }
        write_tar(tmp_path / "dataset_texas.tgz", files)
        check(read(tmp_path / "dataset_texas.tgz"), bits, labels + 1)
        check(read(tmp_path), bits, labels + 1)
        write_folder(tmp_path / "unpacked", files)
        check(read(tmp_path / "unpacked"), bits, labels + 1)
        check(read(tmp_path / "unpacked" / "texas" / "100"), bits, labels + 1)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"1,0,1\n2,0,2\n", "a bit is 2"),
            (b"1,0,1\n2,0,\n", "a cell is empty"),
            (b"1,0,1\n2,0,x\n", "CSV conversion error to uint8"),
            (b"1,0,1\n2,0\n", "Expected 3 columns, got 2"),
            (b"<html>Not found</html>", "got a web page"),
        ],
    )
    def test_what_is_not_bits(self, tmp_path, content, message):
        (tmp_path / "bangkok").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read(tmp_path / "bangkok")

    def test_texas_without_labels(self, tmp_path, bits):
        write_tar(tmp_path / "dataset_texas.tgz", {"texas/100/feats": self.rows(bits)})
        with pytest.raises(InputError, match=r"the files texas/100/feats and labels, got not both"):
            read(tmp_path)
