"""Canaries take the place of candidate records, in the share that the study sets; nothing else changes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from leakbench.core.errors import InputError
from leakbench.data import DESIGNS, Dataset, load
from leakbench.data.canaries import CANARIES
from leakbench.data.plant import CanarySpec, plant, require_measurable
from leakbench.defences import DEFENCES
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import open_trainer
from leakbench.pipeline.study import Study

KINDS = CANARIES.names()


def table(n: int = 400, d: int = 12) -> Dataset:
    """A table of ones and zeros, with an outlier in every part."""
    rng = np.random.default_rng(0)
    x = (rng.random((n, d)) < 0.3).astype(np.float32)
    x[::100] = 5.0
    order = rng.permutation(n)
    parts = {"pool": np.sort(order[:300]), "dev": order[300:320], "test": order[320:]}
    return Dataset("t", x, rng.integers(3, size=n), ("a", "b", "c"), parts)


def images(n: int = 400) -> Dataset:
    pixels = np.random.default_rng(1).random((n, 3, 4, 4), dtype=np.float32)
    return replace(table(n), x=pixels)


def data_for(kind: str) -> Dataset:
    return images() if CANARIES.get(kind).of == ("images",) else table()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_changes_its_own_rows_of_the_pool_alone(kind: str) -> None:
    before = data_for(kind)
    given = before.x.copy(), before.y.copy()
    after = plant(before, CanarySpec(0.1, (kind,)), (), seed=0)
    rows = after.canaries[kind]
    assert len(np.unique(rows)) == len(rows) == 30
    assert np.isin(rows, before.parts["pool"]).all()
    others = np.setdiff1d(np.arange(len(before.x)), rows)
    np.testing.assert_array_equal(after.x[others], before.x[others])
    np.testing.assert_array_equal(after.y[others], before.y[others])
    np.testing.assert_array_equal(before.x, given[0])
    np.testing.assert_array_equal(before.y, given[1])
    assert {part: after.parts[part].tolist() for part in before.parts} == {
        part: rows.tolist() for part, rows in before.parts.items()
    }
    assert after.canary_kinds(after.parts["pool"]).tolist().count(kind) == 30
    assert f"30 {kind}" in after.notes[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind: str) -> None:
    spec = CanarySpec(0.1, (kind,))
    one, same, other = (plant(data_for(kind), spec, (), seed) for seed in (0, 0, 1))
    assert one.fingerprint == same.fingerprint
    drawn = [each.canaries[kind].tolist() for each in (one, same, other)]
    assert drawn[0] == drawn[1]
    if kind != "rare_combination":  # nothing about it is random
        assert drawn[0] != drawn[2] and one.fingerprint != other.fingerprint


def test_the_share_is_exact_and_the_kinds_have_equal_parts() -> None:
    for share, total in ((0.05, 15), (0.0434, 13), (0.5, 150)):
        after = plant(
            table(), CanarySpec(share, ("mislabelled", "near_duplicate", "rare_combination")), (), 0
        )
        counts = [len(rows) for rows in after.canaries.values()]
        assert sum(counts) == total and max(counts) - min(counts) <= 1
        assert len(np.unique(np.concatenate(list(after.canaries.values())))) == total


@pytest.mark.parametrize("kind", ["mislabelled", "near_duplicate"])
def test_a_wrong_label_is_each_other_class_equally_often(kind: str) -> None:
    before = table(4000)
    before = replace(before, parts={"pool": np.arange(4000)})
    after = plant(before, CanarySpec(0.5, (kind,)), (), 0)
    rows = after.canaries[kind]
    off = (after.y[rows] - before.y[rows]) % 3
    assert (off != 0).all()
    assert abs((off == 1).mean() - 0.5) < 4 * 0.5 / np.sqrt(len(rows))
    np.testing.assert_array_equal(after.x[rows], before.x[rows])


@pytest.mark.parametrize("before", [table(), images()], ids=["table", "images"])
def test_a_twin_is_a_noisy_copy_under_the_true_label(before: Dataset) -> None:
    after = plant(before, CanarySpec(0.1, ("near_duplicate",)), (), 0)
    rows, twins = after.canaries["near_duplicate"], after.twins
    assert len(twins) == len(rows) == 30 and twins.min() >= len(before.x)
    np.testing.assert_array_equal(after.y[twins], before.y[rows])
    apart = np.abs(after.x[twins] - after.x[rows])
    assert 0 < apart.mean() < 0.1 * np.abs(after.x[rows] - after.x[rows[::-1]]).mean()
    if before.is_image:
        assert after.x[twins].min() >= 0 and after.x[twins].max() <= 1


def test_the_values_of_an_impossible_row_occur_in_their_columns() -> None:
    before = replace(table(), x=np.random.default_rng(2).normal(size=(400, 6)).astype(np.float32))
    after = plant(before, CanarySpec(0.1, ("out_of_distribution",)), (), 0)
    rows, pool = after.canaries["out_of_distribution"], before.parts["pool"]
    for column in range(6):
        assert np.isin(after.x[rows, column], before.x[pool, column]).all()
    assert not (after.x[rows][:, None] == before.x[None]).all(axis=2).any()
    np.testing.assert_array_equal(after.y[rows], before.y[rows])


def test_one_colour_is_one_number_a_channel() -> None:
    after = plant(images(), CanarySpec(0.1, ("one_colour",)), (), 0)
    x = after.x[after.canaries["one_colour"]]
    assert (x == x[:, :, :1, :1]).all()
    assert len(np.unique(x[:, :, 0, 0], axis=0)) == len(x)


def test_rare_rows_are_the_outliers_and_stay_as_they_are() -> None:
    before = table()
    before = replace(
        before, x=np.where(before.x == 5.0, 5.0 + np.arange(400, dtype=np.float32)[:, None], before.x)
    )
    after = plant(before, CanarySpec(0.01, ("rare_combination",)), (), 0)
    outliers = np.intersect1d(np.arange(0, 400, 100), before.parts["pool"])
    assert set(outliers) <= set(after.canaries["rare_combination"])
    assert after.fingerprint == before.fingerprint


def test_what_the_data_cannot_have_is_refused_if_listed_and_left_out_if_declared() -> None:
    for kind, data in (("one_colour", table()), ("rare_combination", images())):
        for spec, declared in ((CanarySpec(0.1, (kind, "mislabelled")), ()), (CanarySpec(0.1), (kind,))):
            with pytest.raises(
                InputError, match=f"no canaries of the kind '{kind}' in .* some of .*mislabelled"
            ):
                plant(data, spec, declared, 0)
        after = plant(data, CanarySpec(0.1), (kind, "mislabelled"), 0)
        assert list(after.canaries) == ["mislabelled"]
        assert f"canaries of the kind {kind} were left out" in after.notes[0]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"share": 0.0}, "share must be above 0"),
        ({"share": 0.6}, "at most 0.5"),
        ({"kinds": ["mislabeled"]}, "did you mean 'mislabelled'"),
        ({"kinds": []}, "different kinds of canary"),
        ({"kinds": ["mislabelled", {"name": "mislabelled"}]}, "name each once"),
        ({"kinds": [{"name": "near_duplicate", "noise": 2.0}]}, "noise must be in 0..1"),
        ({"kind": "mislabelled"}, "did you mean 'kinds'"),
    ],
)
def test_a_study_says_what_is_wrong_with_its_canaries(spec: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Study.of({"data": {"name": "digits"}, "canaries": spec})


def test_too_few_canaries_and_a_test_part_under_attack_are_refused() -> None:
    with pytest.raises(InputError, match="share must leave a canary for each of 2 kinds"):
        plant(table(), CanarySpec(0.003, ("mislabelled", "near_duplicate")), (), 0)
    few = plant(table(), CanarySpec(0.02, ("mislabelled",)), (), 0)
    with pytest.raises(
        InputError, match=r"20 members and 20 non-members .* got 12 and 12 of the kind 'mislabelled'"
    ):
        require_measurable(few, DESIGNS.make({"name": "random_half", "models": 4}).split(few, 0), 20)
    with pytest.raises(InputError, match="attacks the test part too"):
        require_measurable(few, DESIGNS.make("single").split(few, 0), 20)


def test_every_defence_names_a_kind_that_is_there() -> None:
    kinds = {name: DEFENCES.get(name).canary for name in DEFENCES.names()}
    assert set(kinds.values()) <= set(KINDS)
    assert (kinds["none"], kinds["selena"]) == ("mislabelled", "near_duplicate")


def test_each_model_trains_on_half_of_the_canaries_and_on_every_twin(tmp_path) -> None:
    study = Study.of(
        {
            "data": {"name": "digits", "records": 300},
            "design": {"name": "random_half", "models": 8},
            "defences": ["selena", {"label": "both", "chain": ["hamp_training", "selena"]}],
            "canaries": {"share": 0.1},
        }
    )
    assert [defence.canary for defence in study.defences] == [
        "mislabelled",
        "near_duplicate",
        "near_duplicate",
    ]
    trainer = open_trainer(study, tmp_path)
    data, jobs = trainer.dataset, trainer.jobs(study.recipe)
    assert {kind: len(rows) for kind, rows in data.canaries.items()} == {
        "mislabelled": 15,
        "near_duplicate": 15,
    }
    assert not np.isin(data.twins, Querier(trainer).rows).any()  # no model is queried about them
    for rows in data.canaries.values():
        counts = np.sum([np.isin(rows, job.members) for job in jobs], axis=0)
        np.testing.assert_array_equal(counts, 4)
    assert all(np.isin(data.twins, job.members).all() for job in jobs)


def test_the_store_never_takes_a_study_for_one_without_canaries(tmp_path) -> None:
    plain = {"data": {"name": "digits", "records": 300}, "design": {"name": "random_half", "models": 4}}
    specs = [{}, {"canaries": {"share": 0.2}}, {"canaries": {"share": 0.3}}]
    keys = []
    for spec in specs:
        study = Study.of(plain | spec)
        trainer = open_trainer(study, tmp_path)
        keys.append({str(folder) for folder in trainer.folders(trainer.jobs(study.recipe))})
    assert len(set.union(*keys)) == 12
    bare = load("digits", records=300)
    assert open_trainer(Study.of(plain), tmp_path).dataset.fingerprint == bare.fingerprint


@dataclass(frozen=True)
class _Colours(DEFENCES.get("none")):
    canary = "one_colour"


def test_the_first_kind_that_is_not_the_usual_one_judges_a_chain() -> None:
    from leakbench.defences.chain import DefenceChain

    assert (
        DefenceChain("x", (DEFENCES.make("hamp_training"), _Colours(), DEFENCES.make("selena"))).canary
        == "one_colour"
    )
