"""The FPR of single records: against loops, against fresh targets, and p-values that may be taken at their word."""

import numpy as np
import pytest

from attacks.worlds import pairs as in_pairs
from leakbench.attacks import ATTACKS
from leakbench.core.results import Row
from leakbench.evaluation.measure import AttackScores, Case, attack_all
from leakbench.evaluation.per_record_fpr import Accused, accusations, per_record_rows, target_pairs
from leakbench.signals.models import Models
from leakbench.signals.types import Signals


def world(seed: int, models: int = 16, records: int = 1500, leak: float = 1.0, unlike: float = 1.0) -> Models:
    """Records of a difficulty, a spread and a gain of their own, as far as they are `unlike` each other."""
    rng = np.random.default_rng(seed)
    members = in_pairs(rng, models, records)
    difficulty, sd = 1.5 * unlike * rng.normal(size=records), np.exp(0.5 * unlike * rng.normal(size=records))
    phi = (
        difficulty + sd * rng.normal(size=members.shape) + leak * members * np.exp(rng.normal(-1, 1, records))
    )
    return Models(Signals(losses=np.logaddexp(0, -phi)[:, None]), members, np.ones_like(members))


def found(models: Models, *attacks: str) -> tuple[AttackScores, list[Row]]:
    case = Case("none", models, tuple(range(len(models.members))), adaptive=True)
    attacked = attack_all(case, {name: ATTACKS.make(name) for name in attacks}, 0)
    return attacked, list(per_record_rows(attacked, 0))


def test_accusations_are_those_of_a_loop() -> None:
    models = world(0, 6, 300)
    case = Case("none", models, tuple(range(6)))
    chosen = target_pairs(case, 0)
    assert sorted(map(tuple, chosen)) == [(t, u) for t in range(6) for u in range(t) if t // 2 != u // 2]
    attack = ATTACKS.make("calibration")
    accused = accusations(case, attack, chosen, 0, fpr=0.05)
    assert accused is not None
    scores, outside = {}, ~models.members
    for t, u in chosen:
        shadows = models.shadows(*sorted({t, t ^ 1, u, u ^ 1}))
        for m in (t, u):
            scores[t, u, m] = attack.score(models.target(int(m)), shadows, np.random.default_rng(0))
    every = np.sort(np.concatenate([s[outside[t] & outside[u]] for (t, u, _), s in scores.items()]))[::-1]
    bound = every[int(0.05 * every.size)]
    both = either = 0
    for t, u in chosen:
        for x in np.flatnonzero(outside[t] & outside[u]):
            one, other = (scores[t, u, m][x] > bound for m in (t, u))
            both, either = both + 2 * (one and other), either + one + other
    assert accused.again(models.copy_of)[0] == pytest.approx(both / either)


def test_targets_that_are_shadow_models_of_each_other_would_hide_the_spread() -> None:
    """The FPR of a record is its share of fresh targets that accuse it, with the same shadow models for all of them."""
    models = world(1, 76)
    attack, shadows = ATTACKS.make("lira"), models.shadows(*range(12, 76))
    fresh = np.stack(
        [attack.score(models.target(t), shadows, np.random.default_rng(0)) for t in range(12, 76)]
    )
    outside = ~models.members[12:]
    accused = (fresh > np.quantile(fresh[outside], 0.99)) & outside
    c, k = accused.sum(axis=0), outside.sum(axis=0)
    truth = (c * (c - 1)).sum() / (c * (k - 1)).sum()
    assert truth > 0.05
    _, (row,) = found(world(1, 16), "lira")  # with 12 shadow models for each pair too
    assert row.lo is not None and row.hi is not None
    assert 0.02 < row.lo < truth < row.hi


def test_records_that_are_alike_have_the_fpr_that_is_claimed() -> None:
    _, (row,) = found(world(0, records=4000, unlike=0.0), "loss")
    assert row.lo is not None and row.hi is not None
    assert row.lo <= 0.01 <= row.hi
    _, (other,) = found(world(0), "loss")
    assert other.lo is not None and other.lo > 0.02
    assert other.detail["median"] < 0.001 < other.detail["over_twice"]


def test_intervals_hold_the_spread_that_is_known() -> None:
    """Over 40 draws of p ~ Beta(0.2, 19.8) a 95 % interval may miss 6 times (P < 0.01 if it holds)."""
    truth, missed = 0.01 + 0.99 / 21, 0
    pairs = np.array([(t, u) for t in range(12) for u in range(t) if t // 2 != u // 2])
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p, outside = rng.beta(0.2, 19.8, 1500), ~in_pairs(rng, 12, 1500)
        known = outside[pairs].all(axis=1)
        called = (rng.random((12, 1500)) < p)[pairs] & known[:, None]
        _, limits = Accused(pairs, known, called).again(np.arange(1500))
        missed += not limits.lo <= truth <= limits.hi
    assert missed <= 6


def test_p_values_keep_their_word_and_even_out_the_fpr_of_records() -> None:
    attacked, rows = found(world(2, records=3000), "lira", "lira_calibrated")
    spread = {row.attack: row for row in rows if row.metric == "per_record_fpr@fpr=0.01"}
    assert spread["lira_calibrated"].value < spread["lira"].value
    claimed = {row.metric: row for row in rows if row.metric.startswith("tpr_at_claimed_fpr")}
    assert all(row.attack == "lira_calibrated" for row in claimed.values())
    row, sample = claimed["tpr_at_claimed_fpr@fpr=0.01"], attacked.samples["lira_calibrated"]
    called = np.exp(-sample.scores) <= 0.01
    assert row.value == pytest.approx(called[sample.members].mean())
    assert row.detail["fpr"] == pytest.approx(called[~sample.members].mean())
    assert 0.005 < row.detail["fpr"] < 0.02


def test_attacks_that_are_fitted_and_single_targets_have_no_spread() -> None:
    few = {"stacked": ATTACKS.make({"name": "stacked", "trees": 2, "max_examples": 500})}
    models = world(0, 8, 400)
    assert list(per_record_rows(attack_all(Case("none", models, tuple(range(8))), few, 0), 0)) == []
    case = Case("none", models, (0,))
    assert list(per_record_rows(attack_all(case, {"loss": ATTACKS.make("loss")}, 0), 0)) == []


def test_canaries_are_no_records_of_the_average() -> None:
    models = world(0, 6, 400)
    kinds = np.where(np.arange(400) < 100, "mislabelled", "")
    case = Case("none", models, tuple(range(6)), canaries=kinds)
    accused = accusations(case, ATTACKS.make("loss"), target_pairs(case, 0), 0)
    assert accused is not None
    assert not accused.known[:, :100].any()
    assert accused.known[:, 100:].any()
