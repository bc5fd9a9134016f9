"""What the cells of a table mean: numbers, categories, missing values, row numbers; and what is refused."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leakbench.core.errors import InputError
from leakbench.data import load

N = 300
X = np.random.default_rng(0).normal(size=N).round(2)
NUMBERS = [f"{x:.2f}" for x in X]
LABELS = ["yes" if x > 0 else "no" for x in X]


def with_cell(cell, record=7):
    return [cell if i == record else number for i, number in enumerate(NUMBERS)]


@pytest.fixture
def csv(tmp_path):
    def write(columns, delimiter=",", labels=LABELS):
        columns = {**columns, "label": labels}
        quoted = [[f'"{cell}"' if "," in str(cell) else str(cell) for cell in c] for c in columns.values()]
        rows = [delimiter.join(columns), *(delimiter.join(row) for row in zip(*quoted, strict=True))]
        (tmp_path / "t.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        return tmp_path / "t.csv"

    return write


@pytest.fixture
def parquet(tmp_path):
    def write(**columns):
        pq.write_table(pa.table({"label": LABELS, **columns}), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return write


MARKS = [
    "?",
    "-",
    ".",
    "None",
    "unknown",
    "*",
    "<0.1",
    "#DIV/0!",
    "1,5",
    "5%",
    "$3.00",
    "1 234",
    "1.234,5",
    "2020-01-01",
]


class TestAColumnOfNumbersWithATextInIt:
    @pytest.mark.parametrize("mark", MARKS)
    def test_is_refused_and_the_cell_is_named(self, csv, mark):
        with pytest.raises(InputError) as error:
            load(csv({"a": with_cell(mark)}))
        said = str(error.value)
        assert f"column 'a' must hold numbers, as most of its cells do, got {mark!r} in record 7;" in said
        assert "categorical = ['a']" in said

    @pytest.mark.parametrize("mark", ["", " ", "NA", "NaN", "nan", "null", "#N/A", "inf", "-Infinity"])
    def test_a_missing_value_is_refused_until_it_is_told(self, csv, mark):
        path = csv({"a": with_cell(mark)})
        with pytest.raises(
            InputError, match=r"a number or text in every row, got 1 without, such as .* record 7"
        ):
            load(path)
        assert load(path, missing=mark.strip()).x.shape == (N, 2)

    @pytest.mark.parametrize(
        "cells", [["0.5%"] * N, ["€3.20"] * N, ["1,234"] * N, ["1.234,5"] * N, ["3 USD"] * N]
    )
    def test_so_is_a_column_of_decorated_numbers(self, csv, cells):
        with pytest.raises(InputError, match=r"got .* in record 0 and 299 more such cells"):
            load(csv({"a": cells}))

    def test_the_advice_names_every_mark(self, csv):
        path = csv({"a": ["?" if i == 7 else "-" if i == 9 else cell for i, cell in enumerate(NUMBERS)]})
        with pytest.raises(InputError, match=r"missing = \['\?', '-'\]"):
            load(path, missing="?")
        data = load(path, missing=["?", "-"])
        assert data.x[:, 1].sum() == 2

    def test_labels_too(self, csv):
        labels = ["?" if i == 5 else str(i % 3) for i in range(N)]
        with pytest.raises(InputError, match=r"column 'label' must hold numbers.* got '\?' in record 5"):
            load(csv({"a": NUMBERS}, labels=labels))
        with pytest.raises(InputError, match=r"column 'label' .* got 1 without in record 5; leave out"):
            load(csv({"a": NUMBERS}, labels=labels), missing="?")

    def test_parquet_too(self, parquet):
        with pytest.raises(InputError, match=r"got '\?' in record 7"):
            load(parquet(a=with_cell("?")))


class TestMissing:
    def test_a_number_is_the_median_outside_the_test_part(self, csv):
        path = csv({"a": ["?" if i % 10 == 0 else cell for i, cell in enumerate(NUMBERS)]})
        data = load(path, missing="?")
        gone = np.arange(N) % 10 == 0
        outside = np.setdiff1d(np.flatnonzero(~gone), data.parts["test"])
        assert len(data.parts["test"]) == 60
        np.testing.assert_array_equal(data.x[:, 1], gone)
        np.testing.assert_array_equal(data.x[gone, 0], np.float32(np.median(X[outside])))
        np.testing.assert_array_equal(data.x[~gone, 0], np.float32(X[~gone]))
        assert data.notes == ("missing numbers were imputed with the median outside the test part: a",)
        assert data.mean[0] == pytest.approx(
            data.x[np.setdiff1d(np.arange(N), data.parts["test"]), 0].mean(), abs=1e-6
        )

    def test_a_text_is_a_category_of_its_own(self, csv):
        path = csv({"a": [("x", "", "y")[i % 3] for i in range(N)]})
        with pytest.raises(InputError, match=r"got 100 without, such as an empty cell in record 1"):
            load(path)
        expected = np.arange(N)[:, None] % 3 == np.array([0, 2, 1])
        np.testing.assert_array_equal(load(path, missing="").x, expected)

    def test_nulls_and_nan_of_parquet_are_empty_cells(self, parquet):
        for lack in (None, float("nan")):
            path = parquet(a=pa.array([lack if i == 3 else x for i, x in enumerate(X)]))
            with pytest.raises(InputError, match=r"got 1 without, such as an empty cell in record 3"):
                load(path)
            assert load(path, missing="").x[:, 1].sum() == 1

    def test_a_column_without_a_value_is_refused(self, csv):
        with pytest.raises(InputError, match=r"got no value at all; .* drop"):
            load(csv({"a": ["?"] * N}), missing="?")

    def test_a_column_with_values_in_the_test_part_alone(self, csv):
        test = load(csv({"a": NUMBERS})).parts["test"]
        path = csv({"a": [cell if i in test else "?" for i, cell in enumerate(NUMBERS)]})
        with pytest.raises(InputError, match="must have a value outside the test part"):
            load(path, missing="?")


class TestAsTold:
    @pytest.mark.parametrize("delimiter", [";", "\t", "|"])
    def test_delimiter(self, csv, delimiter):
        path = csv({"a": NUMBERS, "b": NUMBERS}, delimiter)
        with pytest.raises(InputError) as error:
            load(path)
        assert f"say delimiter = {delimiter!r}" in str(error.value)
        assert load(path, delimiter=delimiter).x.shape == (N, 2)

    def test_decimal_comma(self, csv):
        path = csv({"a": [cell.replace(".", ",") for cell in NUMBERS]})
        with pytest.raises(InputError, match=r"say decimal = ','"):
            load(path)
        np.testing.assert_array_equal(load(path, decimal=",").x[:, 0], np.float32(X))
        with pytest.raises(InputError, match=r"got '0\.13' in record 0"):
            load(csv({"a": NUMBERS}), decimal=",")

    def test_categorical_and_drop(self, csv):
        path = csv({"code": [i % 3 for i in range(N)], "who": [f"name {i}" for i in range(N)], "a": NUMBERS})
        with pytest.raises(
            InputError, match=r"got 300 distinct texts in 300 records: an identifier.*drop = \['who'\]"
        ):
            load(path)
        assert load(path, drop=["who"]).x.shape == (N, 2)
        assert load(path, drop=["who"], categorical=["code"]).x.shape == (N, 4)
        with pytest.raises(InputError, match="'wo'; did you mean 'who'"):
            load(path, drop=["wo"])

    @pytest.mark.parametrize(
        ("option", "value"), [("decimal", "x"), ("delimiter", ""), ("delimiter", ";;"), ("delimiter", "\n")]
    )
    def test_what_makes_no_sense(self, csv, option, value):
        with pytest.raises(InputError, match=f"{option} must be"):
            load(csv({"a": NUMBERS}), **{option: value})

    def test_other_formats_have_no_such_options(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=X[:, None], y=np.arange(N) % 2)
        with pytest.raises(InputError, match="unknown parameter of format 'arrays': 'missing'"):
            load(tmp_path / "a.npz", missing="?")
        with pytest.raises(InputError, match="'digits' knows its table; leave decimal out"):
            load("digits", decimal=",")


COUNTED = {"from 0": range(N), "from 1": range(1, N + 1), "shuffled": np.random.default_rng(1).permutation(N)}


class TestIndexColumns:
    @pytest.mark.parametrize("cells", COUNTED)
    @pytest.mark.parametrize(
        "name", ["", "Unnamed: 0", "id", "ID", "index", "PassengerId", "user_id", "__index_level_0__"]
    )
    @pytest.mark.parametrize("first", [True, False])
    def test_are_left_out_with_a_note(self, csv, name, cells, first):
        columns = {name: COUNTED[cells], "a": NUMBERS} if first else {"a": NUMBERS, name: COUNTED[cells]}
        data = load(csv(columns))
        np.testing.assert_array_equal(data.x[:, 0], np.float32(X))
        assert data.x.shape == (N, 1)
        assert data.notes == (f"the column {name!r} was left out: it numbers or names the records",)

    def test_a_first_column_that_counts_the_records(self, csv):
        assert load(csv({"X": range(1, N + 1), "a": NUMBERS})).x.shape == (N, 1)
        assert load(csv({"a": NUMBERS, "X": range(1, N + 1)})).x.shape == (N, 2)
        assert load(csv({"age": [18 + i % 60 for i in range(N)], "a": NUMBERS})).x.shape == (N, 2)

    @pytest.mark.parametrize("name", ["paid", "valid", "identity", "rowing"])
    def test_other_names_are_features(self, csv, name):
        assert load(csv({"a": NUMBERS, name: COUNTED["shuffled"]})).x.shape == (N, 2)

    @pytest.mark.parametrize("cells", [[f"{i}.0" for i in range(N)], [max(i, 1) for i in range(N)]])
    def test_decimals_and_a_single_copy_make_no_feature_of_an_id(self, csv, cells):
        assert load(csv({"id": cells, "a": NUMBERS})).notes

    def test_an_id_that_repeats_or_is_a_fraction_is_a_feature(self, csv):
        assert load(csv({"id": [i // 2 for i in range(N)]})).x.shape == (N, 1)
        assert load(csv({"index": [f"{i / 7:.4f}" for i in range(N)]})).x.shape == (N, 1)

    def test_a_column_without_a_name_that_is_no_index(self, csv):
        with pytest.raises(InputError, match="must name every column"):
            load(csv({"": [i // 2 for i in range(N)], "a": NUMBERS}))
        assert load(csv({"a": NUMBERS, "": [""] * N})).x.shape == (N, 1)

    @pytest.mark.parametrize("start", [0, 1])
    def test_a_later_column_that_counts_is_noted(self, csv, start):
        data = load(csv({"a": X, "position": range(start, N + start), "b": range(5, N + 5)}))
        assert data.x.shape == (N, 3)
        (note,) = data.notes
        assert note.startswith("the column 'position' counts the records in their order and is a feature")
        dropped = load(csv({"a": X, "position": range(N), "b": X}), drop=("position",))
        assert dropped.x.shape == (N, 2) and not dropped.notes

    def test_of_parquet(self, parquet):
        assert (
            load(parquet(a=X, __index_level_0__=range(N)))
            .notes[0]
            .startswith("the column '__index_level_0__'")
        )


class TestKinds:
    @pytest.mark.parametrize(
        ("cells", "features"),
        [
            ([f" {x} " for x in NUMBERS], 1),
            ([f"+{x}".replace("+-", "-") for x in NUMBERS], 1),
            ([f"{x:e}" for x in X], 1),
            ([f"{i % 7}." for i in range(N)], 1),
            (["TRUE" if x > 0 else "false" for x in X], 1),
            (["3"] * N, 1),
            (["same"] * N, 1),
            ([f"{i % 40:05}" for i in range(N)], 40),  # postcodes
            ([f"{i % 40:04}.5" for i in range(N)], 1),  # padded, but fractions
            ([("<18", "18-25", "26-40", "65+")[i % 4] for i in range(N)], 4),
            ([("x", "y", "?")[i % 3] for i in range(N)], 3),
            ([(0, 1, "a", "b", "c")[i % 5] for i in range(N)], 5),  # 40 % are numbers
        ],
    )
    def test_numbers_and_categories(self, csv, cells, features):
        assert load(csv({"a": cells})).x.shape == (N, features)

    def test_what_may_surprise_is_noted(self, csv):
        codes, mixed = [f"{i % 40:05}" for i in range(N)], [(0, 1, "a", "b", "c")[i % 5] for i in range(N)]
        assert load(csv({"zip": codes, "m": mixed})).notes == (
            "the column 'zip' has numbers with leading zeros and was read as categories",
            "the column 'm' holds numbers (40%) and text, and was read as categories",
        )

    @pytest.mark.parametrize(
        "cell", ["2020-01-01", "2020-01-01T12:00:00Z", "1/31/2020", "31.01.20", "12:30", "12:30:01.5"]
    )
    def test_dates_and_times_are_refused(self, csv, cell):
        with pytest.raises(
            InputError, match=r"got dates or times such as '.*convert it to numbers, or .* drop = \['a'\]"
        ):
            load(csv({"a": [cell] * N}))

    @pytest.mark.parametrize("cell", ["1e39", "-1e300", "1e999"])
    def test_what_single_precision_cannot_hold(self, csv, cell):
        with pytest.raises(InputError, match=r"in record 7 is not finite in single precision"):
            load(csv({"a": with_cell(cell)}))

    def test_labels(self, csv):
        for labels, classes in (
            ([f"{i % 3}.0" for i in range(N)], ("0", "1", "2")),
            ([("NO", ">30", "<30")[i % 3] for i in range(N)], ("<30", ">30", "NO")),
            ([f"{i % 3:03}" for i in range(N)], ("000", "001", "002")),
            ([" >50K" if i % 2 else "<=50K " for i in range(N)], ("<=50K", ">50K")),
        ):
            assert load(csv({"a": NUMBERS}, labels=labels)).classes == classes
        with pytest.raises(InputError, match="labels below 9007199254740992; say categorical"):
            load(csv({"a": NUMBERS}, labels=[2**60 + i % 3 for i in range(N)]))

    @pytest.mark.parametrize(
        ("values", "features"),
        [
            (pa.array([decimal.Decimal(i % 7) / 2 for i in range(N)]), 1),
            (pa.array(X.astype(np.float16)), 1),
            (pa.array([i % 2 == 0 for i in range(N)]), 1),
            (pa.array(LABELS).dictionary_encode(), 2),
            (pa.array(LABELS, pa.large_string()), 2),
            (pa.array(NUMBERS), 1),
            (pa.array([2**63 + i for i in range(N)], pa.uint64()), 1),
        ],
    )
    def test_of_parquet(self, parquet, values, features):
        assert load(parquet(a=values, b=X)).x.shape == (N, features + 1)

    @pytest.mark.parametrize(
        ("values", "problem"),
        [
            (pa.array([datetime.datetime(2020, 1, 1)] * N), r"got timestamp\[us\]"),
            (pa.array([datetime.date(2020, 1, 1)] * N), "got date32"),
            (pa.array([[1.0]] * N), "got list"),
            (pa.array([{"x": 1}] * N), "got struct"),
            (pa.array([b"\xff"] * N), "got binary"),
            (pa.nulls(N), "got null"),
            (pa.array([np.inf if i == 4 else i for i in range(N)]), "inf in record 4 is not finite"),
        ],
    )
    def test_what_is_neither(self, parquet, values, problem):
        with pytest.raises(InputError, match=f"column 'a' .*{problem}"):
            load(parquet(a=values, b=X))


def test_networks_see_quantities_standardised_and_bits_as_they_are(csv):
    scale = [f"{1e6 + 1e5 * x:.1f}" for x in X]
    data = load(csv({"a": scale, "b": [i % 2 for i in range(N)], "c": [("x", "y")[i % 2] for i in range(N)]}))
    outside = np.setdiff1d(np.arange(N), data.parts["test"])
    np.testing.assert_allclose(data.mean, [data.x[outside, 0].mean(dtype=float), 0, 0, 0])
    np.testing.assert_allclose(data.std, [data.x[outside, 0].std(dtype=float), 1, 1, 1])
    np.testing.assert_array_equal(data.x[:, 0], np.array(scale, np.float32))
    bits = load(csv({"b": [i % 2 for i in range(N)]}))
    assert bits.mean == bits.std == ()
