"""Attacks on models that the user has already, with shadow models that are trained to match."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

import leakbench
from leakbench.core.errors import InputError
from leakbench.core.seeds import stream
from leakbench.pipeline.any_model.targets import matching

RNG = np.random.default_rng(0)
X, Y = (part[:400] for part in load_digits(return_X_y=True))
MEMBERS = RNG.permutation(len(Y)) < 240
BAYES = GaussianNB(var_smoothing=1e-3)
MODEL = clone(BAYES).fit(X[MEMBERS], Y[MEMBERS])
QUICK: dict[str, Any] = {"attacks": ["loss", "lira"], "metrics": ["auc"], "processes": 1, "progress": False}


def _rows(results: leakbench.Results) -> list[tuple[Any, ...]]:
    found = [row for row in results.rows if row.attack is not None]
    return [(row.attack, row.metric, row.slice, row.target, row.value, row.lo, row.hi) for row in found]


def test_the_numbers_are_those_of_an_audit_with_the_same_arrays() -> None:
    """The shadow models are trained here again, each on the members that it is said to have."""
    found = leakbench.audit_training(BAYES, X, Y, models=8, targets=MODEL, members=MEMBERS, seed=3, **QUICK)
    shadow_members = matching(MEMBERS[None], 8, stream(3, "design", "matching"))
    shadows = [clone(BAYES).fit(X[own], Y[own]).predict_proba(X) for own in shadow_members]
    with np.errstate(divide="ignore"):
        logits, shadow_logits = (
            np.log(p).astype(np.float32) for p in (MODEL.predict_proba(X), np.stack(shadows))
        )
    audited = leakbench.audit(
        logits=logits, labels=Y, members=MEMBERS, shadow_logits=shadow_logits, shadow_members=shadow_members,
        class_names=np.arange(10).astype(str), attacks=QUICK["attacks"], metrics=QUICK["metrics"], seed=3,
    )  # fmt: skip
    assert _rows(found) == _rows(audited)
    (accuracy,) = found.find(metric="accuracy", attack=None)
    assert accuracy.value == pytest.approx((MODEL.predict(X) == Y)[~MEMBERS].mean())


def test_outputs_functions_and_lists_are_the_same_targets() -> None:
    p = MODEL.predict_proba(X)
    forms = [MODEL, MODEL.predict_proba, p, p[None], [MODEL], [MODEL.predict_proba], [p.tolist()]]
    found = [
        _rows(
            leakbench.audit_training(
                BAYES, X, Y, models=4, targets=targets, members=MEMBERS, **QUICK | {"attacks": ["loss"]}
            )
        )
        for targets in forms
    ]
    assert all(rows == found[0] for rows in found)


def test_a_tree_that_remembers_its_members_is_found_by_its_shadows() -> None:
    members = np.stack([np.arange(400) % 2 == 0, np.arange(400) % 2 == 1])
    tree = DecisionTreeClassifier(random_state=0)
    targets = [clone(tree).fit(X[own], Y[own]) for own in members]
    results = leakbench.audit_training(tree, X, Y, models=6, targets=targets, members=members, **QUICK)
    (row,) = results.find(attack="lira", metric="auc", slice="all", target="all")
    assert row.lo > 0.55 and results.study["audit_training"]["targets"] == 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_shadow_models_have_the_targets_size_and_use_every_record_as_often(share: float) -> None:
    members = np.arange(101)[None] < round(101 * share)
    found = matching(members, 12, np.random.default_rng(1))
    assert set(found.sum(axis=1)) == {members.sum()}
    assert np.ptp(found.sum(axis=0)) <= 1
    if share == 0.5:  # with 50 of 101 members a pair leaves one record out
        assert all((found[2 * k] & found[2 * k + 1]).sum() == 0 for k in range(1))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"targets": MODEL}, "targets and members must be given together, got targets alone"),
        ({"members": MEMBERS}, "got members alone"),
        ({"targets": MODEL, "members": MEMBERS[:9]}, r"of each of the 400 records .*got shape \(9,\)"),
        ({"targets": MODEL, "members": np.ones(400, bool)}, "members"),
        ({"targets": [MODEL, MODEL], "members": MEMBERS}, "a row for each target, got 1 and 2 targets"),
        (
            {"targets": MODEL.predict_proba(X[:5]), "members": MEMBERS},
            "one row for each of the 400 records, got 5",
        ),
        (
            {"targets": MODEL.predict_proba(X)[:, :3], "members": MEMBERS},
            "target 0 cannot be used: .*10 classes",
        ),
        ({"targets": lambda x: 1 / 0, "members": MEMBERS}, "target 0 cannot be used: ZeroDivisionError"),
        (
            {"targets": MODEL.predict(X), "members": MEMBERS},
            "outputs of one kind and shape, got labels .*target 0",
        ),
        ({"targets": LogisticRegression(), "members": MEMBERS}, "target 0 cannot be used: NotFittedError"),
    ],
)
def test_targets_that_do_not_fit_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        leakbench.audit_training(BAYES, X, Y, models=4, **given, **QUICK)
