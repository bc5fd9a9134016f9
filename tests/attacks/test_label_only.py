"""Attacks that read predicted classes alone: against slow references, under label-preserving transforms, on noise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from leakbench.attacks import ATTACKS, Attack
from leakbench.attacks.label_only_boosted import LabelOnlyBoosted
from leakbench.core.array_cache import Recent
from leakbench.defences import DEFENCES
from leakbench.evaluation.scoring import applicable, score_targets
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import auc, noise_sd, pairs, with_members, world

NAMES = ["label_only_count", "label_only_logistic", "label_only_boosted"]
VIEWS = ("identity", *["noise:0.2"] * 4, *["noise:0.8"] * 4)
TARGET = 1


def made(name: str, **parameters: float) -> Attack:
    """The attack, with few trees."""
    few = {"iterations": 15} if name == "label_only_boosted" else {}
    return ATTACKS.make({"name": name, **few, **parameters})


def labelled(
    seed: int, m: int = 8, n: int = 300, gain: float = 0.2, members: np.ndarray | None = None
) -> Models:
    """Models that are right about a record in each view with a chance of its own, `gain` higher if it is a member."""
    rng = np.random.default_rng(seed)
    members = pairs(rng, m, n) if members is None else members
    chance = np.clip(rng.uniform(0.1, 0.9, n) + gain * members[:, None], 0, 1)
    right = rng.random((m, len(VIEWS), n)) < chance
    y = np.arange(n) % 3
    classes = np.where(right, y, (y + 1) % 3)
    logits = np.eye(3)[classes[:, :1]] * rng.uniform(1, 3, (m, 1, n, 1))
    signals = Signals(y, logits, predicted=classes[:, 1:], views=VIEWS)
    return Models(signals, members, np.ones_like(members))


def score(name: str, models: Models, **parameters) -> np.ndarray:
    attack = made(name, **parameters)
    return attack.score(models.target(TARGET), models.shadows(TARGET, TARGET - 1), np.random.default_rng(0))


def bits(models: Models) -> np.ndarray:
    """Whether each model is right in each view [M, V, N]."""
    s = models.signals
    own = np.stack([z.argmax(axis=-1) for z in s.logits])
    return np.concatenate([own, s.predicted], axis=1) == s.labels


def test_the_count_is_the_share_of_views() -> None:
    models = labelled(0)
    assert np.array_equal(score("label_only_count", models), bits(models)[TARGET].mean(axis=0))


@pytest.mark.parametrize("penalty", [1.0, 0.2])
def test_the_logistic_attack_is_sklearns_fit_of_each_record(penalty: float) -> None:
    """With a record that only IN models have, and a shadow model that is not audited on some."""
    models = labelled(1, n=10)
    members, audited = models.members.copy(), models.audited.copy()
    members[2:, 0] = True
    audited[4, 5:8] = False
    models = Models(models.signals, members, audited)
    got, b = score("label_only_logistic", models, penalty=penalty), bits(models).astype(float)
    assert got[0] == 0.0
    for x in range(1, 10):
        of = [m for m in range(2, 8) if audited[m, x]]
        if len(set(members[of, x])) == 1:
            assert got[x] == 0.0
            continue
        fit = LogisticRegression(C=1 / penalty, tol=1e-9, solver="newton-cholesky").fit(
            b[of, :, x], members[of, x]
        )
        assert fit.decision_function(b[TARGET, :, x][None])[0] == pytest.approx(got[x], abs=2e-4)


def test_the_boosted_attack_reads_shares_by_distance_and_their_means() -> None:
    models, b = labelled(2, n=30), bits(labelled(2, n=30)).astype(float)
    shadows = models.shadows(0, 1, 4, 5)
    got = LabelOnlyBoosted().features(models.target(5), shadows, shadows.members, ~shadows.members)
    groups = [[0], [1, 2, 3, 4], [5, 6, 7, 8], list(range(9))]
    for x in range(30):
        share = [[b[m, g, x].mean() for g in groups] for m in range(8)]
        sides = [
            [m for m in (2, 3, 6, 7) if models.members[m, x] is np.bool_(side)] for side in (True, False)
        ]
        inside, outside = (np.mean([share[m] for m in side], axis=0) for side in sides)
        own = np.array(share[5])
        want = np.concatenate([own, inside, outside, own - inside, own - outside])
        np.testing.assert_allclose(got[x], want, atol=1e-12)


def test_no_number_tells_which_models_were_left_out() -> None:
    """Means over the models that are left are sums of whole numbers: not one bit depends on the others."""
    models = labelled(3)
    flipped = models.members.copy()
    flipped[:2] = ~flipped[:2]
    for name in NAMES:
        assert np.array_equal(score(name, models), score(name, with_members(models, flipped))), name


TRANSFORMS = ["temperature", "rounding", "label_only", "top_k", "logit_clipping", "uniform_mixing"]


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 100), st.sampled_from(TRANSFORMS))
def test_a_transform_that_keeps_the_class_changes_no_score(seed: int, transform: str) -> None:
    models, defence = labelled(seed, n=60), DEFENCES.make(transform)
    assert defence.keeps_argmax
    released = defence.output(np.asarray(models.signals.logits, dtype=np.float64))
    masked = Models(
        replace(models.signals, logits=released, _recent=Recent()), models.members, models.audited
    )
    for name in NAMES:
        assert np.array_equal(score(name, models), score(name, masked)), name


@pytest.mark.parametrize("name", NAMES)
def test_memberships_drawn_anew_are_at_chance(name: str) -> None:
    found = []
    for seed in range(3):
        base = labelled(seed, n=300)
        models = with_members(base, pairs(np.random.default_rng(seed + 50), 8, 300))
        scores = score_targets(made(name), models, range(8), seed=0).scores
        found.append((auc(scores, models.members) - 0.5) / noise_sd(1200, 1200))
    assert abs(np.mean(found)) < 4 / np.sqrt(3)


@pytest.mark.parametrize("name", NAMES)
def test_more_leakage_gives_a_higher_auc(name: str) -> None:
    gains = (0.0, 0.15, 0.4)
    aucs = []
    for gain in gains:
        models = labelled(4, n=300, gain=gain)
        aucs.append(auc(score_targets(made(name), models, range(8), seed=0).scores, models.members))
    assert aucs[0] < aucs[1] < aucs[2]


def test_the_attacks_that_learn_find_more_than_the_count() -> None:
    models = labelled(5, m=16, n=500, gain=0.3)
    scores = {name: score_targets(made(name), models, range(16), seed=0).scores for name in NAMES}
    count, logistic, boosted = (auc(scores[name], models.members) for name in NAMES)
    assert boosted > count + 0.05 and logistic > count


def test_one_view_is_not_enough_and_four_models_are_not() -> None:
    models = world()
    alone = Models(replace(models.signals, predicted=None, views=()), models.members, models.audited)
    for name in NAMES:
        assert "several views" in str(applicable(ATTACKS.make(name), alone, range(8)))
    few = world(m=4)
    reasons = [applicable(ATTACKS.make(name), few, range(4)) for name in NAMES]
    assert reasons[0] is None and "2 or more shadow models" in str(reasons[2])


def test_a_view_that_says_the_same_of_all_models_is_harmless() -> None:
    models = labelled(6, n=50)
    constant = np.broadcast_to(models.signals.labels, (8, 3, 50))
    more = replace(
        models.signals,
        predicted=np.concatenate([models.signals.predicted, constant], axis=1),
        views=(*VIEWS, *["noise:0.1"] * 3),
        _recent=Recent(),
    )
    assert np.isfinite(score("label_only_logistic", Models(more, models.members, models.audited))).all()
