"""Rounded values: the step is found, nothing else is, and a zero is read as half of it by every attack."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from leakbench.attacks import ATTACKS
from leakbench.core.errors import InputError
from leakbench.data.audit_file.read import from_arrays
from leakbench.defences import DEFENCES
from leakbench.evaluation.scoring import score_targets
from leakbench.metrics.statistics.roc import Roc
from leakbench.signals.resolution import of_logits, of_losses, of_probabilities
from leakbench.signals.statistics import LOG_FLOOR, log_softmax, logodds
from leakbench.signals.types import Array, Bools

SHADOW_ATTACKS = ("lira", "lira_offline", "mast", "calibration", "base", "rmia", "attack_r")
SEEDS = st.integers(0, 2**32 - 1)


def answers(seed: int, n: int = 300, classes: int = 5) -> Array:
    """Probabilities [1, N, C] between undecided and certain beyond double precision's 16 digits."""
    rng = np.random.default_rng(seed)
    return np.exp(log_softmax(rng.normal(size=(1, n, classes)) * rng.uniform(0.1, 15, size=(n, 1))))


@given(SEEDS, st.integers(1, 8), st.sampled_from([np.float64, np.float32]))
@settings(max_examples=20, deadline=None)
def test_decimals_are_found(seed: int, decimals: int, kind: type) -> None:
    rounded = np.round(answers(seed), decimals)
    for given_as in (rounded.astype(kind), rounded.astype(kind).astype(np.float64)):
        found = of_probabilities(given_as)
        assert found.step == pytest.approx(10.0**-decimals)
        assert not found.votes
        assert found.zeros == (rounded == 0).any(axis=-1).mean()
    with np.errstate(divide="ignore"):
        logs = np.log(rounded)
    for floor in (-np.inf, LOG_FLOOR, np.log(1e-12)):
        assert of_logits(np.maximum(logs, floor)).step == pytest.approx(10.0**-decimals)


@given(SEEDS, st.integers(3, 1000))
@settings(max_examples=20, deadline=None)
def test_votes_are_found(seed: int, voters: int) -> None:
    votes = np.random.default_rng(seed).multinomial(voters, [0.6, 0.2, 0.1, 0.06, 0.04], size=(1, 400))
    for shares in (votes / voters, (votes / voters).astype(np.float32)):
        found = of_probabilities(shares)
        assert found.step == pytest.approx(1 / voters) and found.votes


def test_each_class_has_half_a_vote_more_than_it_got() -> None:
    votes = np.random.default_rng(0).multinomial(50, [0.6, 0.2, 0.1, 0.06, 0.04], size=400)
    labels = np.arange(400) % 5
    signals = from_arrays(probs=votes / 50, labels=labels, members=labels % 2 == 0).models.signals
    own = votes[np.arange(400), labels]
    assert signals.statistic("logodds", 0)[0] == pytest.approx(np.log((own + 0.5) / (50 - own + 4 * 0.5)))


@given(SEEDS, st.sampled_from([np.float64, np.float32, np.float16]), st.integers(20, 2000))
@settings(max_examples=20, deadline=None)
def test_what_is_not_rounded_has_no_step(seed: int, kind: type, n: int) -> None:
    p = answers(seed, n)
    logits = np.random.default_rng(seed).normal(size=(1, n, 5)).astype(kind) * 20
    assert of_logits(np.log(p).astype(kind)).step == 0
    assert of_logits(logits).step == of_logits(np.round(logits)).step == 0
    assert (
        of_losses(-np.log(p[..., 0]).astype(kind)).step <= np.finfo(kind).eps
    )  # of which the least is not 0
    if kind is not np.float16:  # whose smallest number is 6e-8
        assert of_probabilities(p.astype(kind)).step == 0
        assert of_probabilities(np.clip(p, 1e-7, 1 - 1e-7).astype(kind)).step == 0


def test_zeros_off_a_grid_resolve_to_the_smallest_other_value() -> None:
    p = answers(0)
    half = p.astype(np.float16)
    assert (half == 0).any() and of_probabilities(half).step == pytest.approx(half[half > 0].min())
    leaves = np.where(p < 1e-3, 0.0, p)
    assert of_probabilities(leaves / leaves.sum(-1, keepdims=True)).step == pytest.approx(1e-3, rel=0.3)


def test_losses_of_a_few_decimals_have_a_step() -> None:
    loss = -np.log(answers(0)[..., 0])
    found = of_losses(np.round(loss, 4))
    assert found.step == pytest.approx(1e-4) and found.zeros == (loss < 5e-5).mean() > 0
    members = np.arange(300) % 2 == 0
    given_so = from_arrays(losses=np.round(loss[0], 4), members=members).models.signals
    assert given_so.statistic("logodds", 0).max() == pytest.approx(-np.log(np.expm1(5e-5)))
    assert given_so.statistic("loss", 0).min() == 0
    single = loss.astype(np.float32)
    single[0, 0] = 0.0
    assert of_losses(single.astype(np.float64)).step == pytest.approx(np.finfo(np.float32).eps)


def test_losses_of_rounded_probabilities_are_read_as_these() -> None:
    p = answers(0, 2000)
    labels = np.random.default_rng(0).integers(5, size=2000)
    members = np.arange(2000) % 2 == 0
    rounded = np.round(p[0], 4)
    loss = -np.log(np.maximum(np.take_along_axis(rounded, labels[:, None], axis=1)[:, 0], 1e-30))
    signals = from_arrays(losses=loss, members=members).models.signals
    assert signals.resolutions["losses"].step == pytest.approx(1e-4)
    assert signals.statistic("loss", 0).max() == pytest.approx(-np.log(5e-5))
    assert np.abs(signals.statistic("logodds", 0)).max() == pytest.approx(-np.log(5e-5), abs=1e-3)


def test_two_classes_resolve_as_the_coarser_one() -> None:
    """A sigmoid in single precision: its own small values are exact, 1 - f comes in steps of 6e-8."""
    z = 15 * np.random.default_rng(0).normal(size=4000)
    f = (1 / (1 + np.exp(-z))).astype(np.float32)
    found = of_probabilities(np.stack([1 - f, f], axis=-1)[None])
    assert found.step == pytest.approx(2.0**-24) and found.zeros >= (f == 1).mean() > 0


def test_targets_and_shadow_models_are_read_alike() -> None:
    """The target answers through an interface that rounds, the shadow models on the attacker's own machine."""
    p, labels = answers(1), np.random.default_rng(1).integers(5, size=300)
    members = np.arange(300) % 2 == 0
    signals = from_arrays(
        probs=np.round(p[0], 3), shadow_probs=p, labels=labels, members=members, shadow_members=~members[None]
    ).models.signals
    for m in (0, 1):
        assert signals.resolved(m).min() == np.log(5e-4)
    assert np.abs(np.diff(signals.statistics("logodds"), axis=0)).max() < 1.5


def test_a_model_that_answers_labels_only_does_not_blunt_the_others() -> None:
    p, labels = np.repeat(answers(2)[None], 4, axis=0), np.zeros(300, dtype=int)
    p[3] = p[3] == p[3].max(-1, keepdims=True)
    members = np.random.default_rng(0).random((4, 300)) < 0.5
    signals = from_arrays(probs=np.round(p[:, 0], 4), labels=labels, members=members).models.signals
    assert signals.resolutions["logits"].step == pytest.approx(1e-4)


@pytest.mark.parametrize(("kind", "spoil"), [
    ("probs", lambda p: np.round(p, 3)), ("probs", lambda p: p.astype(np.float16)),
    ("losses", lambda p: np.round(p, 2)), ("losses", lambda p: -np.log(np.maximum(np.round(np.exp(-p), 3), 1e-12))),
])  # fmt: skip
def test_a_model_that_is_rounded_alone_has_a_step_of_its_own(kind: str, spoil: Any) -> None:
    """Its zeros, read as 1e-30, would make up the means and variances of all models."""
    rng = np.random.default_rng(4)
    p = np.exp(log_softmax(6 * rng.normal(size=(8, 300, 5))))
    labels, members = rng.integers(5, size=300), rng.random((8, 300)) < 0.5
    exact = -np.log(p[:, np.arange(300), labels]) if kind == "losses" else p
    rounded = exact.copy()
    rounded[1] = spoil(exact[1])
    plain, odd = (
        from_arrays(**{kind: each}, labels=labels, members=members).models.signals
        for each in (exact, rounded)
    )
    assert odd.resolutions[kind.replace("probs", "logits")].coarser == (1,)
    phi, own = plain.statistics("logodds"), odd.statistics("logodds")
    assert np.array_equal(np.delete(own, 1, axis=0), np.delete(phi, 1, axis=0))
    zeros = own[1] if kind == "losses" else -own[1]  # a zero among losses is a certain prediction
    assert zeros.max() < 18 < np.abs(phi).max()
    assert np.abs(np.clip(phi[1], -4, 4) - np.clip(own[1], -4, 4)).max() < 1


def test_rows_that_rounding_keeps_from_summing_to_one_are_read() -> None:
    p, members = answers(3, classes=30), np.arange(300) % 2 == 0
    rounded = np.round(p[0], 2)
    assert np.abs(rounded.sum(-1) - 1).max() > 0.01
    from_arrays(probs=rounded, members=members)
    with pytest.raises(InputError, match="must sum to 1 over the classes"):
        from_arrays(probs=np.where(rounded == rounded.max(-1, keepdims=True), 0.0, rounded), members=members)


@pytest.mark.parametrize("decimals", [2, 3])
def test_zeros_of_other_classes_do_not_count_as_half_a_step_each(decimals: int) -> None:
    p = answers(3, classes=30)
    labels, members = p[0].argmax(-1), np.arange(300) % 2 == 0
    exact = logodds(np.log(p[0]), labels)
    rounded = np.round(p[0], decimals)
    from_sum = logodds(np.log(np.maximum(rounded, 0.5 * 10.0**-decimals)), labels)
    read = from_arrays(probs=rounded, labels=labels, members=members).models.signals.statistic("logodds", 0)[
        0
    ]
    assert np.median(np.abs(read - exact)) < 0.2 * np.median(np.abs(from_sum - exact))
    loss = from_arrays(probs=rounded, labels=labels, members=members).models.signals.statistic("loss", 0)[0]
    np.testing.assert_allclose(loss, -np.log(rounded[np.arange(300), labels]), rtol=1e-6)


def digits(make: Any, noise: float) -> tuple[Array, Bools, Any]:
    """Answers [M, N, C] of 8 models on digits of which some are mislabelled."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    y = np.where(rng.random(y.size) < noise, rng.integers(10, size=y.size), y)
    half = np.stack([rng.permutation(y.size) < y.size // 2 for _ in range(4)])
    members = np.concatenate([half, ~half])
    fitted = [make(seed).fit(x[m] / 16, y[m]) for seed, m in enumerate(members)]
    return np.stack([model.predict_proba(x / 16) for model in fitted]), members, y


def scores(attack: str, members: Bools, y: Any, **arrays: Array) -> tuple[Array, float]:
    """Scores [T, N] of an attack, and its TPR at 1 % FPR."""
    models = from_arrays(labels=y, members=members, **arrays).models
    found = score_targets(ATTACKS.make(attack), models, range(8), 0).scores
    known = np.isfinite(found)
    roc = Roc.of(found[known], members[known])
    return found, roc.at_fpr(0.01).tpr


MADE = {
    "forest": (lambda seed: RandomForestClassifier(20, random_state=seed), 0.2, 20.0),
    "rounded": (lambda seed: LogisticRegression(C=1e4, max_iter=50), 0.0, 1e4),
}


@pytest.mark.filterwarnings("ignore:lbfgs failed")
@pytest.mark.parametrize("kind", MADE)
def test_attacks_read_the_zeros_of_real_models_as_half_a_step(kind: str) -> None:
    make, noise, parts = MADE[kind]
    p, members, y = digits(make, noise)
    p = np.round(p * parts) / parts
    for attack in SHADOW_ATTACKS:
        got, tpr = scores(attack, members, y, probs=p)
        half, _ = scores(attack, members, y, logits=np.log(np.maximum(p, 0.5 / parts)))
        assert np.allclose(got, half, atol=1e-9, equal_nan=True), attack
        if attack in ("lira", "mast", "calibration"):
            _, ruined = scores(attack, members, y, logits=1.0 + np.log(np.maximum(p, 1e-30)))
            assert tpr > 1.2 * ruined, (attack, tpr, ruined)


def test_labels_alone_are_read_as_right_or_wrong() -> None:
    logits = np.log(answers(4, n=400))[None]
    labels = logits[0, 0].argmax(-1)
    labels[::3] = (labels[::3] + 1) % 5
    released = DEFENCES.make("label_only").output(logits[:, 0])
    members = np.arange(400) % 2 == 0
    for given_so in ({"logits": released[0]}, {"probs": np.exp(released[0]).round()}):
        signals = from_arrays(labels=labels, members=members, **given_so).models.signals
        right = signals.statistic("correct", 0) > 0
        for statistic in ("logodds", "hinge", "confidence"):
            value = signals.statistic(statistic, 0)
            assert np.unique(value[right]).size == np.unique(value[~right]).size == 1
            assert value[right].min() > value[~right].max() and np.abs(value).max() < 4
        assert np.allclose(signals.statistic("entropy", 0), 0)
