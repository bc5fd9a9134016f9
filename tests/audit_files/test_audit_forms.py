"""npz, a folder of npy files, CSV and parquet forms of the same data give the same signals and membership."""

import csv

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyarrow import parquet

from leakbench.data.audit_file.read import from_arrays, read
from leakbench.signals.types import PerModel


@st.composite
def audits(draw):
    n, c, s = draw(st.integers(2, 6)), draw(st.integers(2, 3)), draw(st.integers(0, 2))
    kind = draw(st.sampled_from(["logits", "probs", "losses", "scores"]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    width = 32 if dtype is np.float32 else 64
    value = st.floats(0 if kind == "losses" else -50, 50, width=width)

    def answers(*lead):
        per_record = (c,) if kind in ("logits", "probs") else ()
        array = draw(hnp.arrays(dtype, (*lead, n, *per_record), elements=value))
        if kind == "probs":
            array = np.exp(array - array.max(axis=-1, keepdims=True))
            array /= array.sum(axis=-1, keepdims=True)
        return array

    flags = st.integers(0, 1)
    members = draw(hnp.arrays(np.bool_, n, elements=st.booleans()))
    members[:2] = True, False
    made = {kind: answers(), "members": members}
    if draw(st.booleans()):
        made["labels"] = draw(hnp.arrays(np.int64, n, elements=st.integers(0, c - 1)))
    if draw(st.booleans()):
        made["group_site"] = draw(
            hnp.arrays("U3", n, elements=st.sampled_from(["a", "01", "NA", "1.0", "é,"]))
        )
    if s:
        made[f"shadow_{kind}"] = answers(s)
        made["shadow_members"] = draw(hnp.arrays(np.int8, (s, n), elements=flags)).astype(bool)
    return made


def columns(made):
    """The arrays as columns of a table: `logits_2`, `shadow_losses_0`, `shadow_logits_0_2`."""
    table = {}
    for name, array in made.items():
        by_class = name.endswith(("logits", "probs"))
        block = np.moveaxis(array, -2, -1) if by_class else array  # records last
        for index in np.ndindex(*block.shape[:-1]):
            table["_".join([name, *map(str, index)])] = block[index]
    return table


def write_all(made, folder):
    table = columns(made)
    (folder / "npy").mkdir(parents=True)
    np.savez(folder / "a.npz", **made)
    for name, array in made.items():
        np.save(folder / "npy" / f"{name}.npy", array)
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    parquet.write_table(pa.table({k: pa.array(v) for k, v in table.items()}), folder / "a.parquet")
    return [folder / name for name in ("a.npz", "npy", "a.csv", "a.parquet")]


def assert_same(a, b):
    for field in ("labels", "logits", "losses", "scores"):
        x, y = getattr(a.models.signals, field), getattr(b.models.signals, field)
        assert (x is None) == (y is None), field
        if x is not None:
            np.testing.assert_array_equal(x, y, err_msg=field)
    np.testing.assert_array_equal(a.models.members, b.models.members)
    assert a.models.members.dtype == b.models.members.dtype == np.bool_
    assert a.targets == b.targets
    assert a.kind == b.kind
    assert {k: v.tolist() for k, v in a.groups.items()} == {k: v.tolist() for k, v in b.groups.items()}


@settings(max_examples=20, deadline=None)
@given(made=audits())
def test_all_forms_agree(tmp_path_factory, made):
    before = {name: array.copy() for name, array in made.items()}
    for array in made.values():
        array.setflags(write=False)
    reference = from_arrays(**made)
    for path in write_all(made, tmp_path_factory.mktemp("forms")):
        if (
            "probs" in made and path.suffix == ".csv"
        ):  # float32 text is read as float64, so its logarithm is finer
            np.testing.assert_allclose(
                read(path).models.signals.logits, reference.models.signals.logits, rtol=1e-6, atol=1e-6
            )
        else:
            assert_same(read(path), reference)
    for name, array in before.items():
        np.testing.assert_array_equal(made[name], array)


def test_signals_are_what_was_given(arrays):
    given_ = from_arrays(**arrays)
    signals = given_.models.signals
    assert signals.shape == (5, 1, 12)
    np.testing.assert_array_equal(signals.logits[0, 0], arrays["logits"])
    np.testing.assert_array_equal(signals.logits[1:, 0], arrays["shadow_logits"])
    np.testing.assert_array_equal(given_.models.members[0], arrays["members"])
    np.testing.assert_array_equal(given_.models.members[1:], arrays["shadow_members"])
    assert given_.models.audited.all()
    assert given_.targets == (0,)


def test_a_list_column_of_parquet_is_an_array(arrays, tmp_path):
    table = pa.table(
        {"logits": arrays["logits"].tolist(), "label": arrays["labels"], "member": arrays["members"]}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    np.testing.assert_array_equal(read(tmp_path / "a.parquet").models.signals.logits[0, 0], arrays["logits"])
    assert read(tmp_path / "a.parquet").models.signals.labels.tolist() == arrays["labels"].tolist()


def test_a_csv_that_turns_from_integers_to_fractions_is_read(tmp_path):
    n = 200_000  # more than one block of the reader
    losses = np.r_[np.zeros(n - 1), 0.5]
    lines = ["loss,member", *(f"{loss or 0},{i % 2}" for i, loss in enumerate(losses))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    np.testing.assert_array_equal(read(tmp_path / "a.csv").models.signals.losses[0, 0], losses)


def test_a_csv_as_a_spreadsheet_writes_it(tmp_path):
    (tmp_path / "a.csv").write_bytes("﻿loss,member\r\n0.5,TRUE\r\n1.5,FALSE\r\n".encode())
    assert read(tmp_path / "a.csv").models.members.tolist() == [[True, False]]


def test_npy_files_are_mapped_not_loaded(alone, tmp_path):
    for name, array in alone.items():
        np.save(tmp_path / f"{name}.npy", array)
    logits = read(tmp_path).models.signals.logits
    assert isinstance(logits, PerModel)


def test_half_precision_is_kept(alone):
    alone["logits"] = alone["logits"].astype(np.float16)
    assert from_arrays(**alone).models.signals.logits.dtype == np.float16


def test_the_fingerprint_is_of_the_content(arrays, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    np.savez_compressed(tmp_path / "b.npz", **dict(reversed(arrays.items())))
    same = {read(tmp_path / "a.npz").fingerprint, read(tmp_path / "b.npz").fingerprint}
    assert same == {from_arrays(**arrays).fingerprint}
    arrays["logits"][3, 1] += 1e-12
    assert from_arrays(**arrays).fingerprint not in same


def test_groups_and_names(alone):
    made = from_arrays(
        **alone, groups=np.arange(12) % 2, group_site=["a", "b"] * 6, class_names=["x", "y", "z"]
    )
    assert made.groups["group"].tolist() == ["0", "1"] * 6
    assert made.groups["site"].tolist() == ["a", "b"] * 6
    assert made.class_names == ("x", "y", "z")


@pytest.mark.parametrize("kind", ["logits", "losses"])
def test_population(arrays, kind):
    rng = np.random.default_rng(1)
    if kind == "losses":
        arrays = {k: v for k, v in arrays.items() if "logits" not in k}
        arrays |= {"losses": rng.random(12), "shadow_losses": rng.random((4, 12))}
    tail = (3,) if kind == "logits" else ()
    own, theirs = rng.random((7, *tail)), rng.random((4, 7, *tail))
    population = {
        f"population_{kind}": own,
        f"shadow_population_{kind}": theirs,
        "population_labels": [0] * 7,
    }
    inner = from_arrays(**arrays, **population).models.population
    assert inner.members.shape == (5, 7)
    assert not inner.members.any()
    assert inner.audited.all()
    np.testing.assert_array_equal(getattr(inner.signals, kind)[:, 0], np.concatenate([own[None], theirs]))
    assert inner.signals.labels.tolist() == [0] * 7


def test_every_model_a_target(arrays):
    made = from_arrays(logits=arrays["shadow_logits"], members=arrays["shadow_members"])
    assert made.targets == (0, 1, 2, 3)
    assert made.models.signals.shape == (4, 1, 12)
    views = np.stack([arrays["shadow_logits"]] * 2, axis=1)  # [M, V, N, C]
    assert from_arrays(logits=views, members=arrays["shadow_members"]).models.signals.shape == (4, 2, 12)


def test_probabilities_become_their_logarithm(alone):
    probs = np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    logits = from_arrays(probs=probs, members=[1, 0]).models.signals.logits[0, 0]
    np.testing.assert_allclose(logits[1], np.log(probs[1]), rtol=1e-15)
    np.testing.assert_allclose(logits[0], [0, np.log(1e-30), np.log(1e-30)], rtol=1e-15)


def test_logits_win_over_probs_and_say_so(alone):
    probs = np.full((12, 3), 1 / 3)
    made = from_arrays(**alone, probs=probs)
    np.testing.assert_array_equal(made.models.signals.logits[0, 0], alone["logits"])
    assert made.notes[0].startswith("not used: probs (logits are there too)")


def test_shadow_models_may_all_be_out(arrays):
    arrays["shadow_members"][:] = False
    assert from_arrays(**arrays).models.members.sum() == 6
