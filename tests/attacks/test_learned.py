"""Trained attackers find what a masked release still tells, as closely as a plain pipeline on sorted probabilities."""

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from leakbench.attacks import ATTACKS
from leakbench.attacks._learned import LearnedAttack
from leakbench.evaluation.scoring import score_targets
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import auc, world

NAMES = [name for name in ATTACKS.names() if issubclass(ATTACKS.get(name), LearnedAttack)]
N, C = 2000, 30


def surer(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of one model that is surer of its members, labels and membership."""
    members, y = np.arange(N) % 2 == 0, rng.integers(0, C, N)
    z = rng.normal(size=(N, C)) + 2.5 * (np.arange(C) == y[:, None])
    return z * np.where(members, 1.3, 1.0)[:, None], y, members


def hidden_maximum(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The largest probability is drawn anew, without a look at the record; those below keep order and proportions."""
    z, y, members = surer(rng)
    f = np.exp(log_softmax(z, axis=1))
    is_top = np.arange(C) == f.argmax(axis=1)[:, None]
    rest = np.where(is_top, 0.0, f) / np.where(is_top, 0.0, f).sum(axis=1, keepdims=True)
    drawn = rng.uniform(0.3, 0.95, (N, 1))
    masked = np.where(is_top, np.maximum(drawn, 1.01 * ((1 - drawn) * rest).max(axis=1, keepdims=True)), 0.0)
    return np.log(masked + (1 - drawn) * rest), y, members


def guarded(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As MemGuard does it: the least noise by which a classifier of the sorted probabilities is undecided."""
    z, y, members = surer(rng)
    order = np.argsort(-z, axis=1)
    falling = np.take_along_axis(log_softmax(z, axis=1), order, axis=1)
    guard = LogisticRegression(max_iter=1000).fit(falling, members)
    w = guard.coef_[0]
    moved = falling - guard.decision_function(falling)[:, None] * w / (w @ w)
    moved[:, 0] = np.maximum(moved[:, 0], moved[:, 1:].max(axis=1) + 0.01)
    released = np.empty_like(z)
    np.put_along_axis(released, order, moved, axis=1)
    return released, y, members


def reference(z: np.ndarray, y: np.ndarray, members: np.ndarray, fitted: np.ndarray) -> float:
    """AUC of scikit-learn's own pipeline on sorted log-probabilities, loss and rank; fitted on one half."""
    log_f = log_softmax(z, axis=1)
    loss = -log_f[np.arange(len(y)), y]
    rank = rankdata(-z, axis=1)[np.arange(len(y)), y]
    x = np.column_stack([np.sort(log_f, axis=1), loss, rank])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scores = pipeline.fit(x[fitted], members[fitted]).predict_proba(x[~fitted])[:, 1]
    return auc(scores, members[~fitted])


def attacked(name: str, z: np.ndarray, y: np.ndarray, members: np.ndarray) -> tuple[float, np.ndarray]:
    """The attack's AUC where it was not fitted, and where it was."""
    models = Models(Signals(y, z[None, None]), members[None], np.ones((1, len(y)), bool))
    scores = score_targets(ATTACKS.make(name), models, [0], seed=0).scores[0]
    return auc(scores, members), np.isnan(scores)


@pytest.mark.parametrize("masked", [surer, hidden_maximum, guarded], ids=lambda f: f.__name__)
def test_as_strong_as_a_plain_pipeline_on_sorted_probabilities(masked) -> None:
    case = masked(np.random.default_rng(0))
    found, fitted = attacked("logistic_regression", *case)
    assert abs(found - reference(*case, fitted)) < 0.015


@pytest.mark.parametrize("name", NAMES)
def test_what_a_hidden_maximum_leaves_is_found(name: str) -> None:
    """The loss tells nothing (AUC below .53), the spread of the probabilities below the largest tells nearly all."""
    case = hidden_maximum(np.random.default_rng(0))
    assert attacked("loss", *case)[0] < 0.53
    assert attacked(name, *case)[0] > 0.85


@pytest.mark.parametrize("name", [*NAMES, "nn"])
def test_the_numbers_of_the_classes_do_not_matter(name: str) -> None:
    models = world(n=400, c=6)
    order = np.random.default_rng(0).permutation(6)
    s = models.signals
    renamed = Models(
        Signals(np.argsort(order)[s.labels], s.logits[..., order]), models.members, models.audited
    )
    attack = ATTACKS.make(name)
    mine, theirs = (attack.features(m.target(0)) for m in (models, renamed))
    scores = [
        attack.fit(f, models.members[0], np.random.default_rng(0))(f)
        for f in (mine, theirs)
        if isinstance(attack, LearnedAttack)
    ]
    np.testing.assert_allclose(*(scores or [mine, theirs]), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_classes_of_other_difficulty(name: str) -> None:
    """What is certain for a hard class is doubt for an easy one: relative to its class a loss tells more."""
    rng = np.random.default_rng(1)
    members, y = np.arange(4000) % 2 == 0, rng.integers(0, C, 4000)
    z = rng.normal(size=(4000, C))
    z[np.arange(4000), y] += 1 + np.linspace(0, 8, C)[y] + members
    assert attacked("loss", z, y, members)[0] < 0.62
    assert attacked(name, z, y, members)[0] > 0.68


def test_probabilities_that_rounded_to_zero_are_no_outliers() -> None:
    """A few floors of 69 nats would take up all of an ordinary scale."""
    z, y, members = hidden_maximum(np.random.default_rng(0))
    with np.errstate(divide="ignore"):
        rounded = np.log(np.round(np.exp(log_softmax(z, axis=1)), 3))
    assert attacked("mlp", rounded, y, members)[0] > 0.87


def test_a_class_that_the_examples_lack_is_like_all_others() -> None:
    attack = ATTACKS.make("logistic_regression")
    models = world(n=300, c=5)
    features = attack.features(models.target(0))
    fit = models.signals.labels < 3
    scores = attack.fit(features[fit], models.members[0, fit], np.random.default_rng(0))(features)
    assert np.isfinite(scores).all()


def test_many_classes_are_condensed_and_large_arrays_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    attack = ATTACKS.make("logistic_regression")
    target = world(n=300, c=112).target(1)
    whole = attack.features(target)
    assert whole.shape == (300, 4 + 32)
    falling = np.sort(log_softmax(target.logits[0], axis=1))[:, ::-1]
    np.testing.assert_allclose(whole[:, 4:20], falling[:, :16], rtol=1e-12)
    np.testing.assert_allclose(whole[:, 20:].mean(axis=1), falling[:, 16:].mean(axis=1), rtol=1e-12)
    monkeypatch.setattr("leakbench.attacks._learned.AT_ONCE", 1000)
    assert np.array_equal(attack.features(target), whole)


def test_logits_without_labels_beside_losses() -> None:
    models = world(n=400)
    s = models.signals
    bare = Models(Signals(None, s.logits, s.statistics("loss")), models.members, models.audited)
    found = score_targets(ATTACKS.make("logistic_regression"), bare, range(8), seed=0)
    assert auc(found.scores, models.members) > 0.53
