"""Canaries have rows of their own, and average records have theirs without them."""

from dataclasses import replace

import numpy as np
import pytest

from leakbench.attacks import ATTACKS
from leakbench.core.results import BEST
from leakbench.core.store import open_store
from leakbench.evaluation.findings import Findings, Names, findings
from leakbench.evaluation.measure import RANKING_METRICS, Case, attack_all, informed
from leakbench.evaluation.per_record_fpr import accusations
from leakbench.evaluation.predicted_risk import predict_risk
from leakbench.metrics.standard import STANDARD
from leakbench.pipeline.findings_cache import packed, spec, unpacked
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import pairs, quick

N, MODELS, CLASSES = 360, 8, 4
ATTACKS_RUN = ("loss", "lira", "calibration", "logistic_regression", "label_only_logistic", "stacked")
KINDS = np.where(np.arange(N) % 6 == 0, "mislabelled", np.where(np.arange(N) % 6 == 1, "near_duplicate", ""))


def world(memorised: np.ndarray, seed: int = 0) -> Models:
    """Models whose true class gains in logit on those members that are `memorised`; three views."""
    rng = np.random.default_rng(seed)
    members, y = pairs(rng, MODELS, N), np.arange(N) % CLASSES
    z = rng.normal(size=(MODELS, 3, N, CLASSES))
    z[:, :, np.arange(N), y] += 1.0 + 3.0 * (members & memorised)[:, None]
    return Models(Signals(y, z), members, np.ones_like(members))


def case(models: Models, canaries: np.ndarray | None = KINDS) -> Case:
    return Case("d", models, tuple(range(MODELS)), True, canaries=canaries, canary="mislabelled")


def found(
    models: Models, canaries: np.ndarray | None = KINDS, attacks: tuple[str, ...] = ATTACKS_RUN
) -> Findings:
    return findings(attack_all(case(models, canaries), {a: quick(a) for a in attacks}, 0), Names(), 0)


def aucs(result: Findings, part: str) -> dict[str | None, tuple[float, float, float]]:
    rows = [r for r in result.rows if (r.metric, r.slice, r.target) == ("auc", part, "all")]
    return {r.attack: (r.lo, r.value, r.hi) for r in rows}


@pytest.fixture(scope="module")
def worst() -> Findings:
    """The mislabelled records alone are memorised."""
    return found(world(KINDS == "mislabelled"))


def test_what_is_memorised_shows_in_its_own_rows_and_nowhere_else(worst: Findings) -> None:
    canaries = aucs(worst, "canary:mislabelled")
    assert set(canaries) == {*ATTACKS_RUN, BEST}
    assert all(lo > 0.6 for lo, _, _ in canaries.values()), canaries
    for part in ("all", "canary:near_duplicate"):
        others = {a: r for a, r in aucs(worst, part).items() if a != "blind"}
        assert set(others) == {*ATTACKS_RUN, BEST}
        assert all(0.44 < value < 0.56 and lo < 0.51 for lo, value, _ in others.values()), (part, others)


def test_no_slice_flag_curve_or_record_counts_a_canary(worst: Findings) -> None:
    average, size = int((KINDS == "").sum()), {}
    for r in worst.rows:
        size.setdefault((r.slice, r.attack), (r.n_members or 0) + r.n_nonmembers)
    assert size["all", "lira"] == average * MODELS
    assert size["canary:mislabelled", "lira"] == int((KINDS == "mislabelled").sum()) * MODELS
    for family in ("class=", "loss=", "correct="):
        assert (
            sum(n for (part, a), n in size.items() if part.startswith(family) and a == "lira")
            == average * MODELS
        )
    fifths = [n for (part, a), n in size.items() if part.startswith("loss=") and a == "lira"]
    assert fifths == [average * MODELS // 5] * 5
    assert not {r.slice for r in worst.rows if r.selected and r.slice == "worst" and "canary" in r.selected}
    assert {c.slice for c in worst.curves if "canary" in c.slice} == set()
    shown = next(e for e in worst.exposures if e.attack == "lira")
    np.testing.assert_array_equal(np.isfinite(shown.score_in), KINDS == "")
    assert not [flag for flag in worst.flags if flag.code in ("F16", "F17")]
    accused = accusations(case(world(KINDS == "mislabelled")), quick("loss"), np.array([[0, 2]]), 0)
    assert accused.known[:, KINDS == ""].any() and not accused.known[:, KINDS != ""].any()


def test_canaries_are_told_by_what_so_few_can_resolve(worst: Findings) -> None:
    rows = [r for r in worst.rows if r.slice == "canary:mislabelled" and r.attack == "lira"]
    assert [r.metric for r in rows] == [
        "auc",
        "tpr@fpr=0.1",
        "tpr@fpr=0.01",
    ]  # 240 non-members: no FPR of .001
    assert {r.metric for r in worst.rows if r.slice.startswith("canary:")} <= set(RANKING_METRICS)
    assert all(r.detail["own_kind"] for r in rows)
    assert not any(r.detail["own_kind"] for r in worst.rows if r.slice == "canary:near_duplicate")


def test_attacks_are_not_told_which_records_are_canaries() -> None:
    models = world(KINDS == "mislabelled")
    with_them, without = (
        attack_all(
            case(models, kinds),
            {a: quick(a) for a in ("lira", "label_only_logistic", "logistic_regression")},
            0,
        )
        for kinds in (KINDS, None)
    )
    for attack, scores in without.scores.items():
        seen = np.where(KINDS == "", scores.scores, np.nan)
        np.testing.assert_array_equal(with_them.scores[attack].scores, seen)
        own = scores.scores[:, KINDS == "mislabelled"].ravel()
        np.testing.assert_array_equal(with_them.canaries["mislabelled"].samples[attack].scores, own)


def test_memberships_drawn_anew_are_at_chance() -> None:
    models = world(np.ones(N, dtype=bool))
    members = pairs(np.random.default_rng(9), MODELS, N)
    null = found(
        replace(models, members=members), attacks=("loss", "lira", "calibration", "logistic_regression")
    )
    for part in ("all", "canary:mislabelled", "canary:near_duplicate"):
        assert all(0.4 < value < 0.6 and lo < 0.52 for lo, value, _ in aucs(null, part).values()), part


def test_who_knows_a_defence_may_ignore_it_for_canaries_too() -> None:
    attacks = {a: ATTACKS.make(a) for a in ("loss", "calibration")}
    knows = attack_all(case(world(np.zeros(N, dtype=bool))), attacks, 0)
    ignores = attack_all(
        replace(case(world(KINDS == "mislabelled")), adaptive=False, shadows="none"), attacks, 0
    )
    rows = findings(informed(knows, ignores)[0], Names(), 0).rows
    best = {r.slice: r for r in rows if (r.attack, r.metric) == (BEST, "auc")}
    assert best["canary:mislabelled"].shadows == "none" and best["canary:mislabelled"].lo > 0.6
    assert best["all"].lo < 0.51


def test_findings_with_canaries_are_kept_under_a_key_of_their_own(worst: Findings, tmp_path) -> None:
    models = replace(world(KINDS == "mislabelled"), identity="one")
    cases = [case(models), case(models, None), replace(case(models), canary="near_duplicate")]
    attacks = {"loss": ATTACKS.make("loss")}
    specs = [spec([c], attacks, STANDARD, Names(), 0) for c in cases]
    assert specs[0] != specs[1] and specs[0] != specs[2]
    entry = open_store(tmp_path / "store").once("findings", {"cases": ["one"]}, lambda: packed([worst]))
    assert unpacked(entry)[0].rows == worst.rows


def test_the_released_answers_are_those_of_average_records() -> None:
    models, average = world(KINDS == "mislabelled"), KINDS == ""
    traces = [np.random.default_rng(m).random((3, int(own.sum()))) for m, own in enumerate(models.members)]
    targets = tuple(range(MODELS))
    told = predict_risk("d", models, targets, 0, traces, average)
    part = Models(
        Signals(models.signals.labels[average], models.signals.logits[:, :, average]),
        models.members[:, average],
        models.audited[:, average],
    )
    kept = [trace[:, average[own]] for trace, own in zip(traces, models.members, strict=True)]
    alone = predict_risk("d", part, targets, 0, kept)
    assert {r.metric: r.value for r in told.rows if not r.metric.startswith("js_")} == pytest.approx(
        {r.metric: r.value for r in alone.rows if not r.metric.startswith("js_")}
    )
    assert [r.n_members for r in told.rows] == [r.n_members for r in alone.rows]
