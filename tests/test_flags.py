"""Every flag is raised when it should be, stays away otherwise, and has its docs section."""

import re
from pathlib import Path

import numpy as np
import pytest

from attacks.worlds import pairs
from leakbench.attacks import ATTACKS
from leakbench.core.results import Flag, Row
from leakbench.data.audit_file.read import from_arrays
from leakbench.evaluation.flags import KINDS, collapse_flags, copying_flags, flags, privacy_flags
from leakbench.evaluation.measure import Case, attack_all, measure
from leakbench.evaluation.slices import slices
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

DOCS = Path(__file__).parents[1] / "docs" / "flags.md"


def _models(
    shift: float = 1.0,
    skill: float = 2.0,
    n: int = 3000,
    share: float = 0.5,
    seed: int = 0,
    models: int = 4,
    difficulty: float = 0.0,
) -> Models:
    rng = np.random.default_rng(seed)
    labels = rng.integers(5, size=n)
    members = rng.random((models, n)) < share
    hit = (np.arange(5) == labels[:, None]) * (skill + shift * members[:, None, :, None])
    own = difficulty * rng.normal(size=(1, 1, n, 5))
    logits = rng.normal(size=(models, 1, n, 5)) + hit + own
    return Models(Signals(labels, logits), members, np.ones_like(members))


def _flags(case: Case, *attacks: str) -> list[Flag]:
    attacked = attack_all(case, {name: ATTACKS.make(name) for name in attacks}, 0)
    return list(flags(attacked, list(measure(attacked, slices(case.models, case.targets)))))


def _codes(case: Case, *attacks: str) -> set[str]:
    return {flag.code for flag in _flags(case, *attacks)}


def test_a_sound_case_has_no_flag() -> None:
    models = _models(models=16, difficulty=2.0)
    assert _codes(Case("none", models, (0, 1, 2, 3), True), "loss", "lira", "gap") == set()


def test_non_adaptive() -> None:
    assert _codes(Case("x", _models(), (0, 1), False, _models(seed=1)), "lira") == {"F01"}


def test_rounded_outputs() -> None:
    rng = np.random.default_rng(0)
    p = np.exp(rng.normal(size=(3000, 5)) * 3)
    p /= p.sum(axis=-1, keepdims=True)
    arrays = {"labels": rng.integers(5, size=3000), "members": rng.random(3000) < 0.5}

    def raised(**answers: np.ndarray) -> list[str]:
        given = from_arrays(**arrays, **answers)
        attacked = attack_all(Case("none", given.models, given.targets), {"loss": ATTACKS.make("loss")}, 0)
        return [flag.message for flag in flags(attacked, []) if flag.code == "F15"]

    share = (np.round(p, 3) == 0).any(axis=-1).mean()
    assert raised(probs=p) == raised(logits=np.log(p)) == raised(losses=-np.log(p[:, 0])) == []
    assert raised(probs=np.round(p, 3))[0].startswith(
        f"probabilities are resolved in steps of 0.001, and {share:.1%} of the rows hold a zero"
    )
    assert raised(losses=np.round(-np.log(p[:, 0]), 2))[0].startswith("losses are resolved in steps of 0.01")
    arrays["members"] = rng.random((3, 3000)) < 0.5
    assert raised(probs=np.stack([p, np.round(p, 3), p]))[0].startswith(
        "probabilities of 1 of 3 models, the first of them model 1, are rounded more coarsely"
    )


def test_too_few_non_members() -> None:
    assert _codes(Case("none", _models(n=600), (0,)), "loss") == {"F02"}


def test_below_chance() -> None:
    assert _codes(Case("none", _models(shift=-1.0), (0, 1)), "loss") == {"F03"}


def test_a_weaker_attack_beats_a_stronger_one() -> None:
    """Shadow models in which members look like non-members mislead LiRA."""
    case = Case("none", _models(), (0, 1), True, _models(shift=-1.0, seed=1))
    assert "F04" in _codes(case, "loss", "lira")


def test_a_weaker_attack_beats_a_stronger_one_at_a_low_fpr_alone() -> None:
    """Memorisation with a heavy tail: the ratio of online RMIA and BASE is bounded, the loss is not."""
    rng = np.random.default_rng(1)
    half = pairs(rng, 8, 6000)
    gain = np.exp(rng.normal(-0.2, 1.0, 6000))
    phi = rng.normal(3, 2.2, 6000) + rng.normal(size=half.shape) + half * gain
    models = Models(Signals(losses=np.logaddexp(0, -phi)[:, None]), half, np.ones_like(half))
    found = _flags(Case("none", models, tuple(range(8))), "loss", "rmia", "base", "lira", "lira_offline")
    messages = {flag.attack: flag.message for flag in found if flag.code == "F04"}
    assert set(messages) == {"rmia", "base"}
    assert all("tpr@fpr=0.001" in message and "AUC" not in message for message in messages.values())


def test_shadows_unlike_the_target() -> None:
    assert "F06" in _codes(Case("none", _models(), (0,), True, _models(skill=0.7, seed=1)), "loss")


def test_an_untrained_model() -> None:
    assert "F07" in _codes(Case("none", _models(skill=0.0, shift=0.0), (0, 1)), "loss")


def test_a_weak_model_of_two_classes_is_not_untrained() -> None:
    """70 % is far from a coin's 50 %, though not half as much again."""
    rng = np.random.default_rng(0)
    labels, members = rng.integers(2, size=4000), np.arange(4000)[None] < 2000
    for right, expected in ((0.7, False), (0.51, True)):
        answers = np.where(rng.random(4000) < right, labels, 1 - labels)
        signals = Signals(labels, np.eye(2)[answers][None, None])
        codes = _codes(Case("none", Models(signals, members, np.ones_like(members)), (0,)), "gap")
        assert ("F07" in codes) is expected


def test_shadow_models_are_compared_without_the_target() -> None:
    """One target and one shadow model, 7 points apart: the mean of both would hide it."""
    rng = np.random.default_rng(0)
    labels, members = rng.integers(5, size=6000), rng.random((2, 6000)) < 0.5
    right = rng.random((2, 6000)) < np.array([[0.80], [0.87]])
    answers = np.where(right, labels, (labels + 1) % 5)
    case = Case(
        "none", Models(Signals(labels, np.eye(5)[answers][:, None]), members, np.ones_like(members)), (0,)
    )
    assert "F06" in _codes(case, "gap")


def test_a_shadow_model_without_non_members_raises_no_flag() -> None:
    models = _models(models=2)
    members = np.stack([models.members[0], np.ones_like(models.members[0])])
    case = Case("none", Models(models.signals, members, models.audited), (0,))
    assert _codes(case, "loss") == set()


def test_unbalanced_membership() -> None:
    assert _codes(Case("none", _models(share=0.9, n=20_000), (0,)), "loss") == {"F08"}


def test_ties_at_the_operating_point() -> None:
    members = np.arange(8000)[None] < 4000
    losses = np.random.default_rng(0).choice([0.0, 1.0, 2.0], 8000, p=[0.05, 0.45, 0.5])[None, None]
    case = Case("none", Models(Signals(losses=losses), members, np.ones_like(members)), (0,))
    assert "F09" in _codes(case, "loss")


def test_a_trained_attack_beats_its_own_threshold() -> None:
    """Members' losses are extreme on both sides: no single threshold can use that, a forest can."""
    rng = np.random.default_rng(0)
    members = np.arange(8000)[None] < 4000
    losses = np.where(members[0], rng.choice([1.0, 9.0], 8000), 5.0) + rng.random(8000)
    case = Case("none", Models(Signals(losses=losses[None, None]), members, np.ones_like(members)), (0,))
    assert "F05" in _codes(case, "loss", "random_forest")


def test_a_threshold_a_class_sees_more_than_the_loss() -> None:
    """Classes of other difficulty: knowing the class beats one threshold, and that is no fault."""
    rng = np.random.default_rng(0)
    labels, members = rng.integers(2, size=8000), np.arange(8000)[None] % 2 == 0
    losses = 1 + 9 * labels + rng.random(8000) - 0.5 * members[0]
    case = Case(
        "none", Models(Signals(labels, losses=losses[None, None]), members, np.ones_like(members)), (0,)
    )
    assert "F05" not in _codes(case, "loss", "confidence_per_class")


def test_balanced_memberships_without_pairs() -> None:
    rng = np.random.default_rng(0)
    models = _models(models=8)
    exact = np.argsort(rng.random((8, 3000)), axis=0) < 4
    halves = Models(models.signals, exact, np.ones_like(exact))
    assert "F10" in _codes(Case("none", halves, tuple(range(8))), "loss")
    half = rng.random((4, 3000)) < 0.5
    pairs = np.stack([half, ~half], axis=1).reshape(8, 3000)
    assert "F10" not in _codes(
        Case("none", Models(models.signals, pairs, np.ones_like(pairs)), tuple(range(8))), "loss"
    )


@pytest.mark.parametrize("masked", [True, False])
def test_labels_alone_tell_more_than_masked_confidences(masked: bool) -> None:
    leaking = _models(models=8, n=800)
    rng = np.random.default_rng(1)
    seen = np.asarray(leaking.signals.logits) + rng.normal(size=(8, 12, 800, 5))
    released = rng.normal(size=(8, 1, 800, 5)) if masked else leaking.signals.logits
    signals = Signals(leaking.signals.labels, released, predicted=seen.argmax(axis=-1))
    models = Models(signals, leaking.members, leaking.audited)
    found = _flags(Case("x", models, tuple(range(8)), True), "loss", "entropy", "label_only_count")
    assert [flag.attack for flag in found if flag.code == "F19"] == ["label_only_count"] * masked


@pytest.mark.parametrize(
    ("copied", "natural", "raised"),
    [(0.0, 0.0, 0), (0.009, 0.0, 0), (0.012, 0.0, 1), (0.4, 0.3, 0), (0.5, 0.3, 1)],
)
def test_a_generator_that_copies(copied: float, natural: float, raised: int) -> None:
    found = list(copying_flags("a", copied, natural, []))
    assert [f.code for f in found] == ["F11"] * raised
    assert all(f"{copied:.1%}" in f.message and f.defence == "a" for f in found)


@pytest.mark.parametrize(("lo", "raised"), [(0.89, []), (0.91, ["domias"])])
def test_a_generator_that_gives_its_members_away(lo: float, raised: list[str]) -> None:
    about = {"attack": "domias", "adaptive": None}
    rows = [
        Row("auc", 0.93, lo, 0.95, defence="a", slice="generator", **about),
        Row("auc", 0.99, 0.98, 1.0, defence="a", **about),  # on the model
        Row("auc", 0.99, 0.98, 1.0, defence="b", slice="generator", **about),
        Row("advantage", 0.99, 0.98, 1.0, defence="a", slice="generator", **about),
        Row("auc", 0.99, defence="a", slice="generator", attack="nearest_neighbour"),
    ]
    found = list(copying_flags("a", 0.0, 0.0, rows))
    assert [f.attack for f in found] == raised
    assert {f.code for f in found} <= {"F11"}


def test_a_collapsed_generator() -> None:
    assert list(collapse_flags("a", [])) == []
    (found,) = collapse_flags("a", ["cat", "dog"])
    assert (found.code, found.defence) == ("F12", "a")
    assert found.message.endswith("cat, dog")


def test_dp_that_does_not_cover_all_training() -> None:
    rows = [
        Row("epsilon", float("inf"), defence="a"),
        Row("epsilon", 3.0, defence="b"),
        Row("auc", float("inf"), defence="c"),
    ]
    assert [(f.code, f.defence) for f in privacy_flags(rows)] == [("F13", "a")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_every_flag_has_its_docs_section(kind) -> None:
    text = DOCS.read_text()
    section = re.search(rf"^## {kind.code} {re.escape(kind.title)}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert section, f"docs/flags.md has no section '## {kind.code} {kind.title}'"
    for part in ("**Raised if**", "**Why it matters**", "**What to do**"):
        assert part in section[1]


def test_codes_are_in_order_and_unique() -> None:
    codes = [kind.code for kind in KINDS]
    assert codes == sorted(set(codes))
