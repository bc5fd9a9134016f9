"""Copies of a record are found, stay on one side of every split, and count as one record."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import leakbench
from leakbench.attacks import ATTACKS
from leakbench.evaluation.measure import BY_LABEL, Case, attack_all
from leakbench.evaluation.scoring import score_targets
from leakbench.signals.copies import BLOCK, alike, copies, of_content
from leakbench.signals.models import Models
from leakbench.signals.types import Signals


def doubled(seed: int, n: int = 300, models: int = 1, c: int = 10) -> Models:
    """Predictions that know nothing of membership, every record twice on the same side, in random order."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, c, n)
    z = rng.normal(size=(models, 1, n, c)) + 2 * (np.arange(c) == y[:, None])
    members = rng.random((models, n)) < 0.5
    order = rng.permutation(np.tile(np.arange(n), 2))
    return Models(Signals(y[order], z[:, :, order]), members[:, order], np.ones((models, 2 * n), bool))


@given(st.integers(0, 10_000), st.sampled_from([np.float16, np.float32, np.float64]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_alike_as_a_dictionary_finds_it(seed: int, dtype: type, labelled: bool) -> None:
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 4)), int(rng.integers(3, 60))
    arrays = rng.integers(0, 3, (m, 2, n, 2)).astype(dtype)
    labels = rng.integers(0, 2, n) if labelled else None
    seen: dict[bytes, list[int]] = {}
    for i in range(n):
        key = arrays[:, :, i].tobytes() + (b"" if labels is None else labels[i].tobytes())
        seen.setdefault(key, []).append(i)
    want = np.arange(n)
    for group in seen.values():
        if len(group) <= max(0.05 * n, 10):
            want[group] = group[0]
    assert np.array_equal(alike(labels, arrays, n), want)


@pytest.mark.parametrize("differs", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 9])
def test_records_with_the_same_content_and_label_are_copies(differs: int) -> None:
    x = np.random.default_rng(0).random((40, 2, BLOCK + 5)).astype(np.float32)
    y, rows = np.zeros(40, np.int64), np.array([30, 2, 7, 11, 4])
    x[7] = x[4] = x[11] = x[2]
    x[4].flat[differs] += 1
    y[11] = 1
    assert of_content(y, x, rows).tolist() == [0, 1, 1, 3, 4]


def test_labels_that_are_all_distinct_tell_all_records_apart() -> None:
    assert np.array_equal(alike(np.arange(50), np.zeros((3, 1, 50, 2)), 50), np.arange(50))


def test_nothing_is_read_beyond_the_model_that_tells_all_records_apart() -> None:
    def predictions():
        yield np.random.default_rng(0).random((1, 50, 3))
        raise AssertionError("the second model was asked for")

    assert np.array_equal(alike(None, predictions(), 50), np.arange(50))


@pytest.mark.parametrize(
    "numbers",
    [
        np.random.default_rng(0).integers(0, 900, 2000) / 1000,  # rounded
        np.random.default_rng(0).integers(0, 100, 2000).astype(float),  # votes
        np.maximum(np.random.default_rng(0).normal(size=2000), 0.0),  # clipped: a third at the smallest
        np.random.default_rng(0).integers(0, 2**24, 2000).astype(np.float32) % 300 * np.float32(2**-24),
        np.random.default_rng(0).choice(np.random.default_rng(1).random(50), 2000),  # the leaves of a tree
    ],
    ids=["rounded", "votes", "clipped", "single precision", "leaves"],
)
def test_what_rounding_and_saturation_make_equal_is_no_copy(numbers: np.ndarray) -> None:
    n = numbers.size
    first = alike(None, [numbers[None]], n)
    assert np.array_equal(copies(first, numbers), np.arange(n))


@pytest.mark.parametrize("times", [2, 5])
def test_copies_of_ordinary_numbers_are_told(times: int) -> None:
    numbers = np.tile(np.random.default_rng(0).normal(size=1000), times)
    found = copies(alike(None, [numbers[None]], numbers.size), numbers)
    assert (found != np.arange(numbers.size)).mean() > 0.9 * (1 - 1 / times)


def test_copies_are_scored_together_or_not_at_all() -> None:
    models = doubled(0)
    scores = score_targets(ATTACKS.make("random_forest"), models, [0], seed=0).scores[0]
    fitted = np.isnan(scores)
    assert np.array_equal(fitted, fitted[models.alike])
    for side in (models.members[0], ~models.members[0]):
        assert abs(fitted[side].mean() - 0.5) < 0.02
    half = attack_all(Case("none", models, (0,)), {"loss": ATTACKS.make("loss")}, 0).samples["loss"].select
    assert np.array_equal(half, half[models.alike])


def test_members_that_are_all_alike_are_split_nevertheless() -> None:
    """A half without members fits no attacker."""
    rng = np.random.default_rng(0)
    members = np.arange(2000) < 60
    losses = np.where(members, 0.25, rng.random(2000))
    models = Models(Signals(losses=losses[None, None]), members[None], np.ones((1, 2000), bool))
    assert np.unique(models.alike[members]).size == 1
    scores = score_targets(ATTACKS.make("logistic_regression"), models, [0], seed=0).scores[0]
    assert np.isfinite(scores[members]).sum() == 30


@pytest.mark.parametrize("models", [1, 3])
def test_doubled_noise_reads_as_chance(models: int) -> None:
    """Forest and neighbours would find each record's copy again: best above chance in 9 of 10 such studies."""
    above, auc = [], BY_LABEL["auc"]
    attacks = {name: ATTACKS.make(name) for name in ("loss", "random_forest", "knn")}
    for seed in range(8):
        case = Case("none", doubled(seed, models=models), (0,))
        above += [
            auc.estimate(b.sample.rest).lo > 0.5 for b in attack_all(case, attacks, seed).strongest.values()
        ][:1]
    assert len(above) == 8 and sum(above) <= 2


def test_copies_add_nothing_to_what_an_interval_knows() -> None:
    rng = np.random.default_rng(0)
    members = np.arange(1000) < 500
    losses = rng.exponential(np.where(members, 0.6, 1.0))
    once, twice = (
        leakbench.audit(losses=np.tile(losses, k), members=np.tile(members, k), attacks=["loss"])
        for k in (1, 2)
    )
    for metric in ("auc", "tpr@fpr=0.1", "balanced_accuracy"):
        for a, b in zip(
            once.find(metric=metric, slice="all"), twice.find(metric=metric, slice="all"), strict=True
        ):
            assert a.value == pytest.approx(b.value)
            assert (b.hi - b.lo) / (a.hi - a.lo) == pytest.approx(1.0, abs=0.08)


def test_copies_in_different_groups_count_in_their_own() -> None:
    models = doubled(0)
    s = models.signals
    site = np.where(models.alike == np.arange(600), "first", "second")
    found = leakbench.audit(
        logits=s.logits[0, 0], labels=s.labels, members=models.members[0], group_site=site, attacks=["loss"]
    )
    for part in ("first", "second"):
        (row,) = found.find(metric="auc", slice=f"group:site={part}")
        assert row.n_members == (models.members[0] & (site == part)).sum()


def test_the_flag_tells_how_many_and_on_which_side() -> None:
    models = doubled(0)
    members = models.members[0].copy()
    pair = np.flatnonzero(models.alike == models.alike[0])
    members[pair] = [True, False]
    given = {"logits": models.signals.logits[0, 0], "labels": models.signals.labels, "members": members}
    (flag,) = (f for f in leakbench.audit(**given, attacks=["loss"]).flags if f.code == "F16")
    assert flag.message.endswith("of 2 there are copies among members and among non-members")
    share = int(flag.message.split()[0]) / 600
    assert 0.9 < share <= 1
    once = {k: v[np.unique(models.alike)] for k, v in given.items()}
    labels = {
        "probs": np.eye(10)[given["logits"].argmax(axis=1)],
        "labels": given["labels"],
        "members": members,
    }
    for distinct in (once, labels):
        assert "F16" not in {f.code for f in leakbench.audit(**distinct, attacks=["gap"]).flags}
