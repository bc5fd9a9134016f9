from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import N_TEST, N_TRAIN, write_folder, write_mnist

from leakbench.core.errors import InputError
from leakbench.data import DATASETS, DataSpec, load
from leakbench.data.labels import encode
from leakbench.data.parts import cut, quotas


def test_digits():
    data = load("digits")
    assert data.x.shape == (1797, 1, 8, 8) and data.x.dtype == np.float32
    assert (data.x.min(), data.x.max()) == (0, 1)
    assert data.classes == tuple("0123456789")
    sizes = {part: len(rows) for part, rows in data.parts.items()}
    assert sizes == {"pool": 1294, "dev": 144, "test": 359, "public": 0}
    np.testing.assert_array_equal(np.sort(np.concatenate(list(data.parts.values()))), np.arange(1797))


def test_the_same_seed_gives_the_same_data():
    first, again, other = load("digits", seed=1), load({"name": "digits", "seed": 1}), load("digits", seed=2)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_the_parts_are_those_of_the_first_release():
    """Whatever is added, models that were trained on these parts stay valid."""
    assert load("digits").fingerprint == "4f121b25d7430a709872b4ee5205ef5c"
    assert load("digits", records=500).fingerprint == "834d5f4033ad0c4796fb96a99b49024d"


def test_a_subset_of_the_pool_keeps_the_test_part():
    full, small = load("digits"), load("digits", records=500)
    assert [len(small.parts[part]) for part in ("pool", "dev", "test")] == [500, 56, 359]
    np.testing.assert_array_equal(small.x[small.parts["test"]], full.x[full.parts["test"]])
    counts = np.bincount(small.y[small.parts["pool"]])
    assert counts.min() >= 48 and counts.max() <= 52


def test_the_own_test_part_is_kept(tmp_path, grey, labels):
    folder = write_mnist(tmp_path / "m", grey, labels)
    data = load(folder, records=20, dev=0.2)
    assert {part: len(rows) for part, rows in data.parts.items()} == {
        "pool": 20,
        "dev": 5,
        "test": 20,
        "public": 0,
    }
    np.testing.assert_array_equal(data.y[data.parts["test"]], labels[N_TRAIN:])
    np.testing.assert_array_equal(data.x[data.parts["test"]][:, 0], np.float32(grey[N_TRAIN:] / 255))
    rows = {image.tobytes(): y for image, y in zip(np.float32(grey / 255), labels, strict=True)}
    assert [rows[image.tobytes()] for image in data.x] == data.y.tolist()
    assert data.name == "m" and data.source == str(folder)


def test_only_the_kept_records_are_decoded(tmp_path, monkeypatch):
    from leakbench.data.formats.base import Raw
    from leakbench.data.sets.digits import Digits

    taken = []
    read = Digits.read

    def watched(self, root, label):
        raw = read(self, root, label)
        return Raw(raw.labels, lambda rows: [taken.append(len(rows)), raw.take(rows)][1], raw.test)

    monkeypatch.setattr(Digits, "read", watched)
    load("digits", records=100)
    assert taken == [100 + 11 + 359]


class TestNames:
    def test_found_in_the_root_and_in_the_environment(self, tmp_path, grey, labels, monkeypatch):
        write_mnist(tmp_path / "mnist", grey, labels)
        by_root = load("mnist", root=str(tmp_path))
        monkeypatch.setenv("LEAKBENCH_DATA", str(tmp_path))
        assert load("mnist").fingerprint == by_root.fingerprint
        assert by_root.name == "mnist" and "LeCun" in by_root.source

    def test_numbers_get_the_known_class_names(self, tmp_path, grey):
        write_mnist(tmp_path / "fashion_mnist", grey, np.arange(N_TRAIN + N_TEST) % 10)
        data = load("fashion_mnist", root=str(tmp_path), dev=0.2)
        assert data.classes[0] == "T-shirt/top" and data.classes[9] == "Ankle boot"
        np.testing.assert_array_equal(data.y[data.parts["test"]], np.arange(N_TRAIN, N_TRAIN + N_TEST) % 10)

    @pytest.mark.parametrize("made", [False, True])
    @pytest.mark.parametrize("name", [name for name in DATASETS.names() if DATASETS.get(name).formats])
    def test_absent(self, tmp_path, monkeypatch, name, made):
        """Also if there is a folder of that name, with other things in it: which file is missing, and where."""
        known = DATASETS.get(name)
        folder = tmp_path / known.name
        if made:
            write_folder(folder, {"notes.txt": b"hello"})
        monkeypatch.setattr(known, "elsewhere", None)
        monkeypatch.delenv("LEAKBENCH_DATA", raising=False)
        put = f"put {known.files[0].name}.* \\(from https://.*\\) into"
        with pytest.raises(
            InputError, match=f"no folder, as none is set.*{put} LEAKBENCH_DATA/{known.name}, "
        ):
            load(name)
        with pytest.raises(InputError, match=f"looked in {folder}.*{put} {folder}, ") as error:
            load(name, root=str(tmp_path))
        assert (f"run leakbench download {known.name}" in str(error.value)) == known.can_download()
        assert "\n" not in str(error.value)

    def test_a_typo_gets_the_nearest_name(self):
        with pytest.raises(InputError, match=r"'mnits'; did you mean 'mnist'"):
            load("mnits")
        with pytest.raises(InputError, match=r"unknown dataset 'mnits'; did you mean 'mnist'"):
            load({"name": "mnits"})

    def test_every_set_says_what_it_is(self):
        for name in DATASETS.names():
            known = DATASETS.get(name)
            assert known.summary().endswith(".") and known.source


class TestSpec:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "needs a name or a path, got name None and path None"),
            ({"name": "digits", "path": "x"}, "needs a name or a path"),
            ({"name": "digits", "format": "idx"}, "knows its format"),
            ({"name": "digits", "test": 1.0}, "test must be a fraction above 0 and below 1, got 1.0"),
            ({"name": "digits", "dev": 10}, "dev must be a fraction of at least 0 and below 1, got 10"),
            ({"name": "digits", "records": 0}, "records must be at least 1, got 0"),
            ({"name": "digits", "public": -1}, "public must be a number of records, 0 or more, got -1"),
            (
                {"name": "digits", "public": 1294},
                "public must be at most 1293, what pool, test and dev leave",
            ),
            ({"name": "digits", "public": 106, "records": 1200}, "public must be at most 105, .* got 106"),
            ({"name": "digits", "public": 5}, "got none of class .* among the 5 records of public"),
            ({"name": "digits", "resize": 0}, "resize must be at least 1 pixel, got 0"),
            (
                {"name": "digits", "records": 1295},
                "records must be at most 1294, what test and dev leave of 1797",
            ),
            ({"name": "digits", "label": "y"}, "no columns to choose from"),
            ({"name": "digits", "recrods": 5}, "unknown option of data: 'recrods'; did you mean 'records'"),
            ({"path": "nowhere/at.all"}, "nowhere/at.all must be a file or a folder of data"),
            ({"path": ".", "format": "idy"}, "unknown format 'idy'; did you mean 'idx'"),
            ({"name": "digits", "records": 9, "dev": 0}, "got none of class .* among the 9 records of pool"),
            ({"name": "digits", "records": 40}, "got none of class .* among the 4 records of dev"),
        ],
    )
    def test_wrong_options(self, options, message):
        with pytest.raises(InputError, match=message):
            load(options)

    def test_options_override_a_spec(self):
        spec = DataSpec(name="digits", records=300)
        assert len(load(spec, dev=0.0).parts["dev"]) == 0
        assert len(load(spec).parts["pool"]) == 300

    def test_a_path_may_be_a_path(self, tmp_path, grey, labels):
        folder = write_mnist(tmp_path / "m", grey, labels)
        assert (
            load(folder).fingerprint
            == load(str(folder)).fingerprint
            == load(DataSpec(path=str(folder))).fingerprint
        )

    def test_a_label_needs_columns(self, tmp_path, grey, labels):
        with pytest.raises(InputError, match=r"'idx' has no columns to choose from; leave label = 'y' out"):
            load(write_mnist(tmp_path / "m", grey, labels), label="y")


def test_labels_of_half_precision():
    assert encode(np.array([3, 1, 3], np.float16))[0].tolist() == [1, 0, 1]


def test_a_class_only_in_the_training_part(tmp_path, grey, labels):
    labels[N_TRAIN:][labels[N_TRAIN:] == 3] = 0
    with pytest.raises(InputError, match=r"got none of class '3' among the 20 records of test"):
        load(write_mnist(tmp_path / "m", grey, labels))


def test_one_class(tmp_path, grey, labels):
    with pytest.raises(InputError, match=r"at least two classes, got 1: \['0'\]"):
        load(write_mnist(tmp_path / "m", grey, labels * 0))


def test_an_infinite_number_in_an_array(tmp_path):
    x = np.ones((40, 3))
    x[5, 1] = np.inf
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)
    with pytest.raises(InputError, match=r"must be finite"):
        load(tmp_path / "a.npz", dev=0.0, records=32)


def test_parts_are_independent_of_labels_names(tmp_path):
    """Text labels, numbers from 1 and numbers from 0 give the same records in the same parts."""
    x, y = np.arange(100.0).reshape(50, 2), np.arange(50) % 3
    loaded = []
    for labels in (y, y + 1, np.array(["a", "b", "c"])[y], y.astype(float)):
        np.savez(tmp_path / "a.npz", x=x, y=labels)
        loaded.append(load(tmp_path / "a.npz"))
    assert [data.classes for data in loaded] == [
        ("0", "1", "2"),
        ("1", "2", "3"),
        ("a", "b", "c"),
        ("0", "1", "2"),
    ]
    for data in loaded:
        np.testing.assert_array_equal(data.y, y)
        np.testing.assert_array_equal(data.parts["pool"], loaded[0].parts["pool"])


class TestEncode:
    @settings(deadline=None)
    @given(st.lists(st.integers(-50, 50), min_size=1, max_size=40))
    def test_numbers_keep_their_order_also_as_text(self, values):
        y, classes = encode(np.array(values))
        as_text = encode(np.array([str(value) for value in values]))
        assert [int(classes[i]) for i in y] == values
        assert list(map(int, classes)) == sorted(set(values))
        np.testing.assert_array_equal(as_text[0], y)
        assert as_text[1] == classes

    @settings(deadline=None)
    @given(st.lists(st.text("abc1", min_size=1, max_size=3), min_size=1, max_size=40))
    def test_text_comes_back(self, values):
        y, classes = encode(np.array(values))
        assert [classes[i] for i in y] == values

    @pytest.mark.parametrize(
        "bad", [[0.5, 1.0], [np.nan, 1.0], [np.inf, 1.0], np.array(["2020"], "datetime64[D]")]
    )
    def test_no_classes(self, bad):
        with pytest.raises(InputError, match=r"whole numbers or text"):
            encode(np.asarray(bad))

    @pytest.mark.parametrize("bad", [[0, 3], [-1, 0], ["a", "b"]])
    def test_names_must_cover_the_labels(self, bad):
        with pytest.raises(InputError, match=r"class name"):
            encode(np.array(bad), ("a", "b", "c"))


class TestParts:
    @settings(deadline=None)
    @given(
        counts=st.lists(st.integers(0, 60), min_size=1, max_size=12).filter(sum),
        share=st.floats(0, 1),
    )
    def test_quotas(self, counts, share):
        counts = np.array(counts)
        n = round(share * counts.sum())
        quota = quotas(counts, n)
        present = counts > 0
        assert quota.sum() == n
        assert (quota <= counts).all() and (quota >= 0).all()
        if n >= present.sum():
            assert (quota[present] >= 1).all()
        exact = counts * (n / counts.sum())
        if (np.floor(exact)[present] >= 1).all():
            assert (np.abs(quota - exact) < 1).all()

    @settings(deadline=None)
    @given(
        y=st.lists(st.integers(0, 4), min_size=5, max_size=200),
        test=st.floats(0.05, 0.6),
        dev=st.floats(0, 0.5),
        seed=st.integers(0, 99),
    )
    def test_parts_partition_the_records(self, y, test, dev, seed):
        y = np.array(y)
        none = np.zeros(len(y), bool)
        parts = cut(y, none, test=test, dev=dev, records=None, seed=seed)
        np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(y)))
        assert len(parts["test"]) == round(test * len(y))
        assert len(parts["dev"]) == round(dev * (len(y) - len(parts["test"])))
        again = cut(y, none, test=test, dev=dev, records=None, seed=seed)
        assert all(np.array_equal(parts[name], again[name]) for name in parts)

    @settings(deadline=None)
    @given(
        y=st.lists(st.integers(0, 4), min_size=40, max_size=200),
        records=st.one_of(st.none(), st.integers(1, 10)),
        public=st.integers(0, 10),
        seed=st.integers(0, 99),
    )
    def test_the_public_part_takes_from_what_is_left(self, y, records, public, seed):
        y = np.array(y)
        none = np.zeros(len(y), bool)
        without = cut(y, none, test=0.2, dev=0.1, records=records, seed=seed)
        parts = cut(y, none, test=0.2, dev=0.1, records=records, seed=seed, public=public)
        used = np.concatenate(list(parts.values()))
        assert len(np.unique(used)) == len(used) and len(parts["public"]) == public
        assert not len(without["public"])
        for name in ("test", "dev", *(["pool"] if records else [])):
            np.testing.assert_array_equal(parts[name], without[name])
        if records is None:
            both = np.concatenate([parts["pool"], parts["public"]])
            np.testing.assert_array_equal(np.sort(both), without["pool"])

    @pytest.mark.parametrize("records", [None, 100])
    def test_the_public_part_is_stratified(self, records):
        y = np.repeat([0, 1, 2], [600, 300, 100])
        parts = cut(y, np.zeros(1000, bool), test=0.2, dev=0.1, records=records, seed=3, public=60)
        np.testing.assert_allclose(np.bincount(y[parts["public"]]), [36, 18, 6], atol=1)

    def test_another_seed_gives_another_public_part(self):
        """With a test part of its own and no dev part, nothing else is drawn."""
        y = np.arange(200) % 2
        seeds = [
            cut(y, y < 0, test=0.0, dev=0.0, records=None, seed=seed, public=20)["public"] for seed in (3, 4)
        ]
        assert set(seeds[0]) != set(seeds[1])

    def test_every_record_is_as_likely_in_the_test_part(self):
        y = np.repeat([0, 1], [30, 10])
        hits = np.zeros(40)
        for seed in range(400):
            hits[cut(y, np.zeros(40, bool), test=0.25, dev=0.1, records=None, seed=seed)["test"]] += 1
        assert np.abs(hits / 400 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 400)


def test_the_readme_example_of_root(tmp_path, grey, labels, monkeypatch):
    write_mnist(tmp_path / "mnist", grey, labels)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("mnist", root="~").fingerprint == load("mnist", root=str(Path(tmp_path))).fingerprint
