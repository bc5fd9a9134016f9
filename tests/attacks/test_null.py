"""Pure noise reads as chance, where the usual protocol for trained attackers reads 0.3 or 0.7."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from leakbench.attacks import ATTACKS
from leakbench.attacks._learned import LearnedAttack
from leakbench.evaluation.scoring import applicable, score_targets
from leakbench.signals.models import Models
from leakbench.signals.statistics import log_softmax
from leakbench.signals.types import Array, Bools, Signals

from .worlds import auc, gradients, noise_sd, quick, students

CLASSES = 10
SIZES = [(24_000, 4_000), pytest.param((60_000, 10_000), marks=pytest.mark.slow)]  # members and others
NORMAL_999, KS_999 = 3.29, 1.95  # two-sided 99.9 % points


def answers(rng: np.random.Generator, n: int, shape: str) -> Signals:
    """Answers of one model on n records, of one law for all.

    "heavy": nearly always right and certain, the loss now and then enormous. "saturated": a softmax taken twice,
    as of a network that ends in one and a loss that adds another, so that the loss crowds at its floor.
    """
    y = rng.integers(0, CLASSES, n)
    z = rng.normal(size=(n, CLASSES))
    z[np.arange(n), y] += 4 + 3 * rng.standard_t(3, size=n)
    if shape == "saturated":
        z = np.exp(log_softmax(3 * z))
    scores, u = rng.normal(size=(1, 1, n)), rng.normal(size=(2, n, CLASSES))
    predicted = (z + 4 * u).argmax(axis=-1)[None]
    given = {"noisy": z + 1e-3 * u[None], "predicted": predicted, "gradients": gradients(z[None, None], y)}
    given["trajectories"] = students(z[None, None], y)
    return Signals(y, z[None, None], scores=scores, **given, features=u[0, :, :3])


def noise(shape: str, inside: int, others: int) -> Models:
    """One target, its population, and a membership that has nothing to do with its answers."""
    rng = np.random.default_rng(11)
    members = (np.arange(inside + others) < inside)[None]
    nobody = np.zeros((1, others // 2), dtype=bool)
    population = Models(answers(rng, others // 2, shape), nobody, ~nobody)
    return Models(answers(rng, members.size, shape), members, np.ones_like(members), population)


@pytest.fixture(scope="module", params=SIZES, ids=str)
def size(request) -> tuple[int, int]:
    return request.param


@pytest.fixture(scope="module", params=["heavy", "saturated"])
def null(request, size) -> Models:
    return noise(request.param, *size)


def advantage(scores: Array, members: Bools) -> float:
    levels = np.unique(scores)
    ins, outs = np.sort(scores[members]), np.sort(scores[~members])
    below = np.searchsorted(outs, levels) / outs.size - np.searchsorted(ins, levels) / ins.size
    return float(np.abs(below).max())


def reads_as_chance(name: str, models: Models) -> None:
    attack = quick(name)
    assert applicable(attack, models, [0]) is None
    scores = score_targets(attack, models, [0], seed=0).scores[0]
    known = np.isfinite(scores)
    members = models.members[0, known]
    n1, n0 = int(members.sum()), int((~members).sum())
    inside = int(models.members.sum())
    assert n1 >= 0.48 * inside and n0 >= 0.48 * (
        models.members.size - inside
    )  # halves of groups of equal records are not exact
    assert abs(auc(scores, models.members[0]) - 0.5) < NORMAL_999 * noise_sd(n1, n0)
    assert advantage(scores[known], members) < KS_999 * np.sqrt(1 / n1 + 1 / n0)


ALONE = [name for name in ATTACKS.names() if ATTACKS.make(name).shadows == "none"]
LONG = {"samia": [pytest.mark.slow]}  # four seconds for the 14,000 records; the contract has it on fewer


@pytest.mark.parametrize("name", [pytest.param(name, marks=LONG.get(name, [])) for name in ALONE])
def test_chance(null: Models, name: str) -> None:
    reads_as_chance(name, null)


@pytest.mark.parametrize(
    "name", [name for name in ATTACKS.names() if issubclass(ATTACKS.get(name), LearnedAttack)]
)
def test_chance_of_a_learner_that_sees_one_number(null: Models, name: str) -> None:
    bare = Models(Signals(losses=null.signals.statistics("loss")), null.members, null.audited)
    reads_as_chance(name, bare)


def test_pooled_folds_read_leakage_into_the_same_noise(null: Models) -> None:
    """Two attackers fitted on halves of a balanced part, one of which scores all the rest; their scores pooled."""
    loss, members = null.signals.statistics("loss")[0, 0][:, None], null.members[0]
    readings, others = [], int((~members).sum())
    for seed in range(8):
        rng = np.random.default_rng(seed)
        inside = rng.choice(members.size - others, others, replace=False)
        balanced = rng.permutation(np.concatenate([inside, np.flatnonzero(~members)]))
        folds = np.array_split(balanced, 2)
        scores = np.empty(members.size)
        for scored, fitted in (folds, folds[::-1]):
            attacker = LogisticRegression().fit(loss[fitted], members[fitted])
            rest = np.setdiff1d(np.arange(members.size), balanced)
            for part in (scored, rest):
                scores[part] = attacker.predict_proba(loss[part])[:, 1]
        readings.append((auc(scores, members), advantage(scores, members)))
    away = [abs(area - 0.5) for area, _ in readings]
    assert max(away) > 0.15 and np.median(away) > 0.1  # about 0.3 or 0.7
    assert np.mean([gap for _, gap in readings]) > 0.25  # about 0.4
