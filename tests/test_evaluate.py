"""Rows are only of what the scores can resolve, and what cannot be measured says so."""

from dataclasses import replace

import numpy as np
import pytest

import leakbench
from leakbench.attacks import ATTACKS
from leakbench.core.errors import InputError
from leakbench.core.results import BEST
from leakbench.core.store import open_store
from leakbench.evaluation.findings import Names, findings
from leakbench.evaluation.measure import AttackScores, Case, attack_all, informed, measure
from leakbench.evaluation.paired_differences import comparable, differences
from leakbench.evaluation.slices import slices
from leakbench.pipeline.findings_cache import packed, unpacked
from leakbench.signals.models import Models
from leakbench.signals.types import Signals


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
    kept = (comparable(attacked) for attacked in (defended, plain))
    found = sorted(row.metric.removesuffix("-difference") for row in differences("none", *kept))
    assert found == measured
    rows = {row.metric for row in measure(plain, slices(plain.case.models, (0,))) if row.slice == "all"}
    assert rows >= set(measured)


def test_the_strongest_attack_is_chosen_on_one_half_and_measured_on_the_other() -> None:
    """One attack is strong on the half that chooses, the other on the half that is measured."""
    n, rng = 2000, np.random.default_rng(0)
    members = (np.arange(n) < n // 2)[None]
    attacked = _attacked(_models(n, members), "loss", "confidence")
    for attack, sample in attacked.samples.items():
        strong = sample.select if attack == "loss" else ~sample.select
        attacked.samples[attack] = replace(sample, scores=rng.normal(size=n) + 2.0 * strong * sample.members)
    rows = measure(attacked, slices(attacked.case.models, (0,)))
    best = {row.metric: row for row in rows if row.attack == BEST}
    assert {row.selected for row in best.values()} == {"loss"}
    assert best["auc"].lo < 0.5 < best["auc"].hi


def test_the_strongest_attack_is_compared_with_the_strongest_on_the_other() -> None:
    """One attack finds nothing on the defence, the other is stronger there than without: together it leaks less."""
    n, rng = 2000, np.random.default_rng(0)
    members = (np.arange(n) < n // 2)[None]
    strength = {"plain": {"loss": 2.0, "confidence": 0.2}, "defended": {"loss": 0.0, "confidence": 0.8}}
    kept = {}
    for name, d in strength.items():
        case = _attacked(_models(n, members), "loss", "confidence")
        for attack, sample in case.samples.items():
            scores = rng.normal(size=n) + d[attack] * sample.members
            case.samples[attack] = replace(sample, scores=scores)
        kept[name] = case, comparable(case)
    rows = {(r.attack, r.metric): r for r in differences("defended", kept["defended"][1], kept["plain"][1])}
    assert rows["confidence", "auc-difference"].lo > 0.1
    best = rows[BEST, "auc-difference"]
    assert (best.selected, best.detail) == (
        "confidence",
        {"baseline_attack": "loss", "baseline_shadows": None},
    )
    own, other = (
        kept[k][0].samples[a].rest.roc.auc for k, a in (("defended", "confidence"), ("plain", "loss"))
    )
    assert best.value == own - other
    assert best.lo < best.value < best.hi < -0.1
    assert best.n_members + best.n_nonmembers == n // 2


def _both(strength: dict[str, tuple[float, float]]) -> list[AttackScores]:
    """Who knows a defence and who ignores it, where each attack's scores of members are higher by so much."""
    n = 2000
    members = (np.arange(n) < n // 2)[None]
    both = []
    for k, adaptive in enumerate((True, False)):
        attacked = _attacked(_models(n, members), *strength)
        shadows = None if adaptive else "none"
        case = replace(attacked.case, defence="defended", adaptive=adaptive, shadows=shadows)
        noise = np.random.default_rng(0).normal(size=n)
        samples = {
            a: replace(s, scores=noise + strength[a][k] * s.members) for a, s in attacked.samples.items()
        }
        both.append(replace(attacked, case=case, samples=samples))
    return both


def test_who_knows_a_defence_may_ignore_it() -> None:
    """The strongest of both attackers, its slices and its curve; every other row stays that of one of them."""
    knows, ignores = informed(*_both({"loss": (0.5, 0.1), "confidence": (0.2, 1.0)}))
    found = [findings(each, Names(), 0) for each in (knows, ignores)]
    best = next(r for r in found[0].rows if (r.attack, r.metric) == (BEST, "auc"))
    assert (best.selected, best.adaptive, best.shadows) == ("confidence", True, "none")
    assert best.value == ignores.samples["confidence"].rest.roc.auc
    assert found[0].comparable.best["auc"].sample.metrics["auc"].value == best.value
    sliced = {r.attack for r in found[1].rows if r.slice != "all"}
    assert sliced == {c.attack for c in found[1].curves} == {"confidence"}
    assert all(r.adaptive is False and r.shadows == "none" for r in found[1].rows)
    own = [r for r in found[0].rows if r.attack != BEST]
    assert all(r.adaptive and r.shadows is None for r in own)


def test_who_knows_a_defence_ignores_it_only_where_that_is_better() -> None:
    knows, ignores = informed(*_both({"loss": (1.0, 1.0), "confidence": (0.2, 0.9)}))
    assert {(s.attack, s.shadows) for s in knows.strongest.values()} == {("loss", None)}
    found = findings(ignores, Names(), 0)
    assert not found.curves and {r.slice for r in found.rows} == {"all"}


def test_strongest_attacks_that_score_other_records_are_not_compared() -> None:
    n = 2000
    members = (np.arange(n) < n // 2)[None]
    kept = []
    for strongest, part in (("loss", slice(None)), ("confidence", slice(0, None, 2))):
        case = _attacked(_models(n, members), "loss", "confidence")
        for attack, sample in case.samples.items():
            scores = np.random.default_rng(0).normal(size=n) + 2.0 * (attack == strongest) * sample.members
            scored = np.zeros(n, dtype=bool)
            scored[part if attack == strongest else slice(None)] = True
            case.samples[attack] = replace(sample, scores=scores).at(scored)
        kept.append(comparable(case))
    kept[1].attacks.pop("confidence")
    rows = list(differences("defended", *kept))
    assert {r.attack for r in rows} == {"loss"}
    assert {r.attack for r in differences("defended", kept[0], kept[0])} == {"loss", "confidence", BEST}


def test_differences_of_kept_findings_are_those_of_fresh_ones(tmp_path) -> None:
    fresh = [
        findings(each, Names(), 0)
        for each in (_both({"loss": (0.5, 0.1), "confidence": (d, 1.0)})[0] for d in (0.2, 0.4))
    ]
    entry = open_store(tmp_path / "store").once("findings", {"cases": ["one", "two"]}, lambda: packed(fresh))
    kept = unpacked(entry)
    rows = [list(differences("d", one.comparable, other.comparable)) for one, other in (fresh, kept)]
    assert rows[0] == rows[1]
    assert {(r.attack, r.metric) for r in rows[0]} >= {
        ("loss", "auc-difference"),
        (BEST, "tpr@fpr=0.01-difference"),
    }


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
