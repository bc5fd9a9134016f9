"""The blind baseline: what the records alone tell about membership, beside what the model tells."""

from dataclasses import replace

import numpy as np
import pytest

import leakbench
from leakbench.core.results import BEST, BLIND
from leakbench.evaluation.blind_baseline import blind
from leakbench.evaluation.measure import Case
from leakbench.evaluation.scoring import held_out
from leakbench.report.tables.tables import glance
from leakbench.report.verdict import verdict
from leakbench.report.view import View
from leakbench.signals.models import Models
from leakbench.signals.types import Signals


def unaware(seed: int, same: bool, n: int = 2000, c: int = 10) -> dict:
    """A model that is surer of some classes and saw no record; members have another mix of classes unless `same`."""
    rng = np.random.default_rng(seed)
    members, mix = np.arange(n) < n // 2, np.arange(1, c + 1) / np.arange(1, c + 1).sum()
    y = np.where(members | same, rng.choice(c, n, p=mix), rng.choice(c, n, p=mix[::-1]))
    z = rng.normal(size=(n, c)) + np.linspace(1, 4, c)[y][:, None] * (np.arange(c) == y[:, None])
    return {"logits": z, "labels": y, "members": members}


def found(results: leakbench.Results, attack: str = BLIND) -> list:
    return results.find(attack=attack, metric="auc", slice="all")


def codes(results: leakbench.Results) -> set[str]:
    return {flag.code for flag in results.flags}


def test_another_mix_of_classes_is_told_and_voids_the_audit() -> None:
    results = leakbench.audit(**unaware(0, same=False), attacks=["loss", "gap"])
    (row,), (loss,), (best,) = found(results), found(results, "loss"), found(results, BEST)
    assert row.lo > 0.7 and loss.lo > 0.6
    assert "F17" in codes(results)
    assert best.selected in ("loss", "gap") and best.value < row.lo
    assert {r.slice for r in results.rows if r.attack == BLIND} == {"all"}
    assert not any(c.attack == BLIND for c in results.curves)
    assert [line[0].text for line in glance(View(results)).lines] == [BEST, "loss", "gap", BLIND]
    assert "no grade is given" in verdict(View(results)).text


def test_a_random_split_is_not_flagged() -> None:
    results = leakbench.audit(**unaware(0, same=True), attacks=["loss"])
    (row,) = found(results)
    assert row.lo < 0.5 < row.hi and "F17" not in codes(results)
    assert (row.n_members, row.n_nonmembers) == (500, 500)  # measured where it was not fitted


@pytest.mark.parametrize("kind", ["numbers", "text", "numbers as text", "one missing on one side", "groups"])
def test_what_else_is_known_of_the_records(kind: str) -> None:
    given = unaware(1, same=True)
    rng, members = np.random.default_rng(0), given["members"]
    year = rng.integers(2010, 2016, members.size) + 3 * members
    given |= {
        "numbers": {"features": np.column_stack([rng.normal(size=members.size), year])},
        "text": {"features": np.char.add("in ", year.astype(str))},
        "numbers as text": {"features": year.astype(str)[:, None]},
        "one missing on one side": {"features": np.where(members & (rng.random(2000) < 0.5), np.nan, 1.0)},
        "groups": {"group_year": year},
    }[kind]
    (row,) = found(leakbench.audit(**given, attacks=["loss"]))
    assert row.lo > 0.65


def test_text_of_many_values_is_no_trouble() -> None:
    given = unaware(1, same=True) | {"features": np.arange(2000).astype(str).astype("U8")}
    names = np.char.add("record ", given["features"])
    (row,) = found(leakbench.audit(**given | {"features": names}, attacks=["loss"]))
    assert row.lo < 0.5


def models(seed: int, targets: int, n: int = 600) -> Models:
    """Noise under complementary pairs of models."""
    rng = np.random.default_rng(seed)
    half = rng.random((targets, n)) < 0.5
    half[1::2] = ~half[: targets - 1 : 2]
    return Models(
        Signals(rng.integers(0, 10, n), losses=rng.random((targets, 1, n))), half, np.ones_like(half)
    )


@pytest.mark.parametrize(("targets", "studies"), [(1, 16), (8, 2)])
def test_noise_is_flagged_no_more_often_than_an_interval_misses(targets: int, studies: int) -> None:
    above = 0
    for seed in range(studies):
        case = Case("none", models(seed, targets), tuple(range(targets)))
        groups = {"site": np.random.default_rng(seed).integers(0, 4, 600).astype(str)}
        (row,) = blind(case, groups, None, seed)
        above += row.lo > 0.5
    assert above <= 2  # of 16 at 2.5 %: P < 0.007


@pytest.mark.slow
def test_200_null_audits_are_flagged_in_at_most_5_percent() -> None:
    flagged = 0
    for seed in range(200):
        features = np.random.default_rng(seed).normal(size=(600, 3))
        (row,) = blind(Case("none", models(seed, 1), (0,)), None, features, seed)
        flagged += row.lo > 0.5
    assert flagged <= 10


def test_a_defence_with_the_same_design_and_records_has_no_fit_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted = []
    monkeypatch.setattr(
        "leakbench.evaluation.blind_baseline.held_out", lambda *given: (fitted.append(1), held_out(*given))[1]
    )
    plain = models(3, 4)
    plain.signals.labels[1::2] = plain.signals.labels[::2]
    halved = Signals(plain.signals.labels // 2, losses=plain.signals.losses)
    doubled = plain.signals.losses.copy()
    doubled[..., 1::2] = doubled[..., ::2]  # who sees no prediction is split as if they differed
    twice = Signals(plain.signals.labels, losses=doubled)
    surer = replace(plain.signals, losses=plain.signals.losses / 2)
    several = {
        "none": plain,
        "another defence": Models(surer, plain.members, plain.audited),
        "members": Models(plain.signals, plain.members[::-1], plain.audited),
        "labels": Models(halved, plain.members, plain.audited),
        "alike": Models(twice, plain.members, plain.audited),
    }
    found = {}
    for name, each in several.items():
        before = len(fitted)
        (row,) = blind(Case(name, each, tuple(range(4))), None, None, 0)
        found[name] = (row.value, row.lo, row.hi), len(fitted) - before
    assert found["another defence"] == (found["none"][0], 0) and found["alike"][1] == 0
    assert all(found[name][1] == 2 for name in ("none", "members", "labels"))
    list(blind(Case("none", plain, tuple(range(4))), None, None, 1))
    assert len(fitted) == 8


def test_many_targets_of_another_mix() -> None:
    plain = models(0, 8)
    shared = np.random.default_rng(1).random((8, 600)) < np.where(plain.signals.labels < 5, 0.8, 0.2)
    (row,) = blind(Case("none", Models(plain.signals, shared, plain.audited), tuple(range(8))), None, None, 0)
    assert row.lo > 0.65


@pytest.mark.parametrize("inside", [1, 25])
def test_too_few_members_leave_no_row(inside: int) -> None:
    rng = np.random.default_rng(0)
    given = {"losses": rng.random(400), "labels": rng.integers(0, 3, 400), "members": np.arange(400) < inside}
    case = Models(
        Signals(given["labels"], losses=given["losses"][None, None]),
        given["members"][None],
        np.ones((1, 400), bool),
    )
    assert not list(blind(Case("none", case, (0,)), None, None, 0))


def test_nothing_known_of_the_records_leaves_no_row() -> None:
    members = np.arange(400) % 2 == 0
    assert not found(
        leakbench.audit(losses=np.random.default_rng(0).random(400), members=members, attacks=["loss"])
    )


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((3, 2)), r"features must be one row per record, \[2000, D\], got shape \(3, 2\)"),
        (np.full(2000, np.inf), "features must not be infinite"),
        (np.zeros((2000, 1001), np.float32), "features must have at most 1000 columns, got 1001"),
        (np.zeros(2000, complex), "features"),
    ],
)
def test_features_that_are_none_are_refused(features, message: str) -> None:
    with pytest.raises(leakbench.core.errors.InputError, match=message):
        leakbench.audit(**unaware(0, same=True), features=features)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_features_of_a_table(tmp_path, suffix: str) -> None:
    import pyarrow as pa
    from pyarrow import csv, parquet

    given = unaware(2, same=True)
    rng, members = np.random.default_rng(0), given["members"]
    day = np.datetime64("2020-01-01") + rng.integers(0, 300, 2000)
    columns = {
        "loss": rng.random(2000),
        "member": members.astype(int),
        "features_0": [None if i % 7 == 0 else float(i % 13) for i in range(2000)],
        "features_1": np.where(members & (rng.random(2000) < 0.7), "north", "south"),
        "features_2": pa.array(day) if suffix == "csv" else rng.random(2000) < 0.5,
    }
    path = tmp_path / f"audit.{suffix}"
    table = pa.table(columns)
    csv.write_csv(table, path) if suffix == "csv" else parquet.write_table(table, path)
    results = leakbench.audit(path, attacks=["loss"])
    (row,) = found(results)
    assert row.lo > 0.7 and not results.notes
