"""Rows are only of what the scores can resolve, and what cannot be measured says so."""

from dataclasses import replace

import numpy as np
import pytest

import leakbench
from leakbench.attacks import ATTACKS
from leakbench.errors import InputError
from leakbench.evaluate import Case, attack_all, comparable, differences, measure, resamples
from leakbench.results import BEST
from leakbench.slices import slices
from leakbench.types import Models, Signals


def _models(n: int, members: np.ndarray, seed: int = 0) -> Models:
    rng = np.random.default_rng(seed)
    losses = rng.exponential(np.where(members, 0.5, 1.0))[:, None]
    return Models(Signals(rng.integers(2, size=n), losses=losses), members, np.ones_like(members))


def _attacked(models: Models, *attacks: str):
    return attack_all(Case("none", models, (0,)), {name: ATTACKS.make(name) for name in attacks}, 0)


@pytest.mark.parametrize(("n", "measured"), [(30, []), (160, ["auc"]), (240, ["auc", "tpr@fpr=0.01"])])
def test_a_difference_needs_what_its_metric_needs(n: int, measured: list[str]) -> None:
    members = (np.arange(n) < n // 2)[None]
    plain, defended = (_attacked(_models(n, members, seed), "loss") for seed in (0, 1))
    kept = (comparable(attacked, resamples(attacked, 0)) for attacked in (defended, plain))
    found = sorted(row.metric.removesuffix("-difference") for row in differences("none", *kept))
    assert found == measured
    rows = {row.metric for row in measure(plain, slices(plain.case.models, (0,))) if row.slice == "all"}
    assert rows >= set(measured)


def test_an_attack_that_scores_no_member_is_left_out_with_the_reason() -> None:
    """Every member of the target is in every shadow model too, so no member has an OUT model."""
    n = 200
    target = np.arange(n) < n // 2
    shadow = target | (np.random.default_rng(0).random((3, n)) < 0.3)
    attacked = _attacked(_models(n, np.vstack([target, shadow])), "loss", "calibration")
    assert set(attacked.scores) == set(attacked.samples) == {"loss"}
    assert attacked.notes == [
        "calibration was left out: needs members and non-members that it can score, got 0 and "
        f"{int((~target & ~shadow.all(axis=0)).sum())}"
    ]


def test_a_path_and_arrays_are_not_mixed(tmp_path) -> None:
    np.savez(tmp_path / "audit.npz", losses=np.ones(40), members=np.arange(40) < 20)
    with pytest.raises(InputError, match="a path or arrays"):
        leakbench.audit(tmp_path / "audit.npz", labels=np.zeros(40, int))


def test_what_was_chosen_on_one_half_is_measured_on_the_other() -> None:
    """The best of thirty noise attacks, and the worst slice of each, stand with the AUC of the half not looked at."""
    n, rng = 600, np.random.default_rng(0)
    members = (np.arange(n) < n // 2)[None]
    plain = _attacked(_models(n, members), "loss")
    loss = plain.samples["loss"]
    noise = {f"noise {i}": replace(loss, scores=rng.random(n)) for i in range(30)}
    masks = slices(plain.case.models, (0,))
    rows = list(measure(replace(plain, samples=noise), masks))
    best = next(row for row in rows if row.attack == BEST and row.metric == "auc")
    assert best.value == noise[best.selected].at(~loss.select).roc.auc
    assert best.value < max(sample.at(loss.select).roc.auc for sample in noise.values())
    for row in (row for row in rows if row.slice == "worst"):
        part = noise[row.attack].at(masks[row.selected][0] & ~loss.select)
        assert row.value == part.roc.auc
