"""The harness: who may be a shadow model, what is scored, and thresholds fixed beforehand."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from leakbench.attacks import ATTACKS, Attack, TrainedAttack
from leakbench.evaluation.scoring import applicable, score_targets, shadow_models
from leakbench.metrics.statistics.roc import best_threshold
from leakbench.signals.models import Models, Shadows, Target
from leakbench.signals.types import Array, Signals

from .worlds import auc, noise_sd, pairs, quick, with_members, world


@dataclass(frozen=True)
class Spy(TrainedAttack):
    """Records what it was given; scores are the loss."""

    name: ClassVar[str] = "spy"
    source: ClassVar[str] = "this test"
    seen: list

    @property
    def needs(self) -> tuple[str, ...]:
        return ("loss",)

    def features(self, target: Target) -> Array:
        return np.column_stack([target.statistic("loss")[0], np.arange(target.n_records)])

    def fit(self, features, members, rng):
        self.seen.append((features, members))
        return lambda f: -f[:, 0]


def target_only(models: Models, m: int = 0) -> Models:
    signals = models.signals
    return Models(
        Signals(signals.labels, signals.logits[m : m + 1]), models.members[m : m + 1], models.audited[:1]
    )


def test_a_model_that_gives_the_answer_away_is_no_shadow_model() -> None:
    models = world(m=6)
    twice = with_members(models, np.vstack([models.members[:4], models.members[0], models.members[5]]))
    assert shadow_models(models, models, 2).exclude == (2, 3)  # its complement
    assert shadow_models(twice, twice, 0).exclude == (0, 1, 4)  # and one with the same members
    assert shadow_models(models, world(m=6, leak=0.0), 2).exclude == (2, 3)


def test_agreement_on_a_few_records_is_chance() -> None:
    models = world(m=6, n=5)
    assert shadow_models(models, models, 2).exclude == (2,)


def test_only_commonly_audited_records_tell() -> None:
    models = world(m=4, n=100)
    audited = np.ones_like(models.members)
    audited[1, :50], audited[0, 50:] = False, False  # nothing in common
    apart = Models(models.signals, models.members, audited)
    assert shadow_models(apart, apart, 0).exclude == (0,)


def test_complementary_pairs_leave_lira_at_chance_on_noise() -> None:
    """With the partner among the shadow models the counts of IN and OUT models tell: AUC 0.475 with 8 models."""
    rng = np.random.default_rng(0)
    m, n = 8, 8000
    members = pairs(rng, m, n)
    phi = rng.normal(size=(m, n))
    models = Models(
        Signals(np.zeros(n, dtype=int), np.stack([phi, 0 * phi], axis=-1)[:, None]),
        members,
        np.ones_like(members),
    )
    lira = ATTACKS.make("lira")
    band = 4 * noise_sd(members.sum(), (~members).sum())
    assert abs(auc(score_targets(lira, models, range(m), seed=0).scores, members) - 0.5) < band
    naive = np.stack([lira.score(models.target(k), models.shadows(k), rng) for k in range(m)])
    assert auc(naive, members) < 0.5 - 2 * band


@pytest.mark.parametrize("name", ATTACKS.names())
def test_records_that_are_not_audited_are_not_scored(name: str) -> None:
    models = world(m=8, n=120)
    audited = np.random.default_rng(0).random(models.members.shape) < 0.8
    partly = Models(models.signals, models.members, audited, models.population)
    got = score_targets(quick(name), partly, [3, 0], seed=0)
    assert np.array_equal(np.isfinite(got.scores), audited[[3, 0]])
    assert not got.decided[~audited[[3, 0]]].any()
    assert got.attack == quick(name).describe()


def test_a_record_without_an_out_model_is_not_scored_where_one_is_needed() -> None:
    models = world(m=6, n=120)
    members = models.members.copy()
    members[[0, 2, 3, 4, 5], 7] = True  # OUT of model 1 alone, the complement of model 0
    models = with_members(models, members)
    for name in ("lira", "lira_offline", "rmia_offline", "base_offline", "attack_r", "calibration", "mast"):
        got = score_targets(ATTACKS.make({"name": name}), models, [1], seed=0).scores[0]
        assert np.array_equal(np.flatnonzero(np.isnan(got)), [7]), name
    assert np.isfinite(score_targets(ATTACKS.make("loss"), models, [1], seed=0).scores).all()


def test_without_shadow_models_a_trained_attack_scores_only_what_it_did_not_fit() -> None:
    models = target_only(world(n=400))
    spy = Spy([])
    scores = score_targets(spy, models, [0], seed=3).scores[0]
    (features, members), fitted = spy.seen[0], spy.seen[0][0][:, 1].astype(int)
    assert len(spy.seen) == 1
    assert np.array_equal(np.flatnonzero(np.isnan(scores)), np.sort(fitted))
    assert np.array_equal(members, models.members[0, fitted])
    for side in (models.members[0], ~models.members[0]):
        assert abs(np.isnan(scores[side]).sum() - side.sum() / 2) <= 0.5  # stratified
    assert np.array_equal(features[:, 0], models.signals.statistics("loss")[0, 0, fitted])


def test_with_shadow_models_a_trained_attack_never_fits_on_the_target() -> None:
    models = world(m=6, n=50)
    spy = Spy([])
    score_targets(spy, models, [2], seed=0)
    features, members = spy.seen[0]
    rest = [0, 1, 4, 5]
    assert np.array_equal(features[:, 0], models.signals.statistics("loss")[rest, 0].ravel())
    assert np.array_equal(members, models.members[rest].ravel())


@dataclass(frozen=True)
class Folded(Spy):
    """A spy in folds that also notes which fit scored what."""

    name: ClassVar[str] = "folded"
    in_folds: ClassVar[bool] = True
    used: list

    @property
    def decision(self) -> float:
        return -1.0

    def fit(self, features, members, rng):
        self.seen.append((features, members))
        number = len(self.seen) - 1

        def scorer(f):
            self.used.append((number, f))
            return -f[:, 0]

        return scorer


def whose(models: Models, features: Array) -> list[int]:
    """The models whose losses the features hold, one after the other."""
    loss = models.signals.statistics("loss")[:, 0]
    parts = features[:, 0].reshape(-1, loss.shape[1])
    return [int(np.flatnonzero((loss == part).all(axis=1))[0]) for part in parts]


def test_an_attack_in_folds_is_fitted_twice_and_never_on_its_target() -> None:
    models, spy = world(m=8, n=50), Folded([], [])
    got = score_targets(spy, models, range(8), seed=0)
    fitted = [whose(models, features) for features, _ in spy.seen]
    assert fitted == [[2, 3, 6, 7], [0, 1, 4, 5]]  # the halves, in which pairs stay together
    assert [(whose(models, f), number) for number, f in spy.used] == [([m], m // 2 % 2) for m in range(8)]
    for (_, members), models_of_it in zip(spy.seen, fitted, strict=True):
        assert np.array_equal(members, models.members[models_of_it].ravel())
    assert np.array_equal(got.decided, models.signals.statistics("loss")[:, 0] <= 1.0)  # before ranking


def test_folds_do_not_depend_on_which_targets_are_asked_about() -> None:
    models = world(m=8)
    attack = quick("nn")
    whole = score_targets(attack, models, range(8), seed=0)
    some = score_targets(attack, models, [5, 2], seed=0)
    assert np.array_equal(some.scores, whole.scores[[5, 2]])
    assert np.array_equal(some.decided, whole.decided[[5, 2]])


def test_models_of_telling_membership_share_a_fold() -> None:
    models = world(m=8, n=50)
    members = models.members.copy()
    members[[4, 5]] = members[[1, 0]]
    twice, spy = with_members(models, members), Folded([], [])
    score_targets(spy, twice, range(8), seed=0)
    assert [whose(twice, features) for features, _ in spy.seen] == [[2, 3], [0, 1, 4, 5, 6, 7]]


def test_folds_of_an_attacker_who_ignores_the_defence_are_those_of_the_same_members() -> None:
    defended, plain, spy = world(seed=1, m=8, leak=0.5), world(seed=1, m=8, leak=3.0), Folded([], [])
    score_targets(spy, defended, [4, 6], seed=0, reference=plain)
    assert [whose(plain, features) for features, _ in spy.seen] == [[2, 3, 6, 7], [0, 1, 4, 5]]
    assert [whose(defended, f) for _, f in spy.used] == [[4], [6]]


@pytest.mark.parametrize(
    ("kept", "targets", "want"),
    [(range(8), [2], [[0, 1, 4, 5, 6, 7]]), ([0, 2, 4], [0, 1], [[1, 2], [0, 2]])],
    ids=["one target", "three models"],
)
def test_one_target_or_few_models_are_not_split(kept, targets: list[int], want: list[list[int]]) -> None:
    whole, spy, rows = world(m=8, n=50), Folded([], []), list(kept)
    signals = Signals(losses=whole.signals.statistics("loss")[rows])
    few = Models(signals, whole.members[rows], whole.audited[rows])
    score_targets(spy, few, targets, seed=0)
    assert [whose(few, features) for features, _ in spy.seen] == want
    assert [whose(few, f)[0] for _, f in spy.used] == targets


def test_a_fold_that_lacks_members_is_told_beforehand() -> None:
    models = world(m=8)
    members = models.members & (np.arange(8) // 2 % 2 == 0)[:, None]  # models 2, 3, 6 and 7 have none
    reason = applicable(quick("nn"), with_members(models, members), range(8))
    assert reason == "it needs members and non-members to learn from"


def test_a_balanced_draw_of_examples() -> None:
    attack = ATTACKS.make({"name": "mlp", "max_examples": 100})
    members = np.arange(1000) < 900
    usable = np.arange(1000) % 2 == 0
    chosen = attack.draw(members, usable, np.random.default_rng(0))
    assert (chosen & members).sum() == (chosen & ~members).sum() == 50
    assert not (chosen & ~usable).any()
    few = attack.draw(members, usable & ((np.arange(1000) < 4) | members), np.random.default_rng(0))
    assert few.sum() == 0  # no non-member is usable


def test_scores_of_several_trained_attackers_are_ranks_within_the_target() -> None:
    models = world(m=6, n=100)
    spy = Spy([])
    several = score_targets(spy, models, [0, 4], seed=0).scores
    loss = models.signals.statistics("loss")[[0, 4], 0]
    for row, own in zip(several, loss, strict=True):
        assert np.array_equal(row, [((own > v).sum() + (own == v).sum() / 2) / 100 for v in own])
    alone = score_targets(spy, models, [4], seed=0).scores[0]
    assert np.array_equal(alone, -loss[1])


def test_targets_with_unequal_shares_of_members_are_not_pooled_raw() -> None:
    """Noise: the two targets with many members have lower losses throughout. Pooled raw it reads as AUC 0.71."""
    rng = np.random.default_rng(0)
    members = rng.random((4, 4000)) < np.array([[0.9], [0.9], [0.1], [0.1]])
    losses = rng.exponential(np.array([[0.3], [0.3], [1.0], [1.0]]), members.shape)
    models = Models(Signals(losses=losses[:, None]), members, np.ones_like(members))
    scores = score_targets(ATTACKS.make("loss"), models, range(4), seed=0).scores
    assert abs(auc(scores, members) - 0.5) < 4 * noise_sd(members.sum(), (~members).sum())
    assert auc(-losses, members) > 0.7
    alike = with_members(models, rng.random((4, 4000)) < 0.5)
    assert np.array_equal(score_targets(ATTACKS.make("loss"), alike, range(4), seed=0).scores, -losses)


@pytest.mark.parametrize("name", ["gap", "mlp", "attack_r"])
def test_ties_do_not_tell_how_many_of_a_targets_records_are_members(name: str) -> None:
    """Noise: the targets with many members are right more often. Mid-ranks of `gap` read it as AUC 0.30."""
    rng = np.random.default_rng(0)
    members = rng.random((4, 2000)) < np.array([[0.9], [0.9], [0.1], [0.1]])
    right = rng.random((4, 1, 2000)) < np.array([0.9, 0.9, 0.7, 0.7])[:, None, None]
    labels = rng.integers(2, size=2000)
    logits = np.where(right, labels, 1 - labels)[..., None] == np.arange(2)
    models = Models(Signals(labels, logits.astype(float)), members, np.ones_like(members))
    scores = score_targets(ATTACKS.make(name), models, range(4), seed=0).scores
    assert abs(auc(scores, members) - 0.5) < 4 * noise_sd(members.sum(), (~members).sum())


def test_spread_ties_keep_the_auc_of_each_target() -> None:
    """`gap` has two scores; its AUC is (1 + TPR - FPR) / 2 whatever the targets' shares of members are."""
    models = world(n=400, m=2)
    members = np.random.default_rng(0).random((2, 400)) < np.array([[0.8], [0.2]])
    scores = score_targets(ATTACKS.make("gap"), with_members(models, members), [0, 1], seed=0).scores
    right = models.signals.statistics("correct").mean(axis=1) >= 0.5
    for own, called, inside in zip(scores, right, members, strict=True):
        exact = (1 + called[inside].mean() - called[~inside].mean()) / 2
        assert auc(own, inside) == pytest.approx(exact, abs=0.02)
        assert np.all(own[called].min() > own[~called].max())


@pytest.mark.parametrize("name", ["gap", "lira", "mast", "confidence_per_class", "mlp"])
def test_a_prescribed_threshold_decides(name: str) -> None:
    models = world(m=6)
    attack = ATTACKS.make(name)
    got = score_targets(attack, models, [1], seed=0)  # one target: scores are as the attack gave them
    assert np.array_equal(got.decided, got.scores >= attack.decision)


def test_the_threshold_of_a_shadow_free_attack_comes_from_the_shadow_models() -> None:
    models = world(m=6)
    got = score_targets(ATTACKS.make("loss"), models, range(6), seed=0)
    score = -models.signals.statistics("loss")[:, 0]
    for m in range(6):
        rest = [k for k in range(6) if k // 2 != m // 2]  # without the target and its complement
        threshold = best_threshold(score[rest].ravel(), models.members[rest].ravel())
        assert np.array_equal(got.decided[m], score[m] >= threshold)


@pytest.mark.parametrize("name", ["rmia", "rmia_offline", "base", "attack_r", "calibration", "lira_offline"])
def test_the_threshold_of_a_shadow_attack_comes_from_a_pseudo_target(name: str) -> None:
    models = world(m=8, n=400)
    attack = ATTACKS.make(name)
    got = score_targets(attack, models, [2], seed=0)
    thresholds = []
    for j in (0, 1, 4, 5, 6, 7):
        rest = models.shadows(*sorted({2, 3, j, j ^ 1}))
        s = attack.score(models.target(j), rest, np.random.default_rng(0))
        thresholds.append(best_threshold(s, models.members[j]))
    assert any(np.array_equal(got.decided[0], got.scores[0] >= t) for t in thresholds)


@pytest.mark.parametrize("name", ATTACKS.names())
def test_the_decision_does_not_look_at_the_targets_membership(name: str) -> None:
    models = world(m=6)
    flipped = models.members.copy()
    flipped[[0, 1]] = flipped[[1, 0]]  # model 0 and its complement swap their members: the same shadow models
    attack = quick(name)
    a, b = (score_targets(attack, w, [0], seed=0) for w in (models, with_members(models, flipped)))
    np.testing.assert_allclose(a.scores, b.scores, rtol=1e-9)
    assert np.array_equal(a.decided, b.decided)


def test_without_shadow_models_no_threshold_is_fixed() -> None:
    models = target_only(world())
    assert score_targets(ATTACKS.make("loss"), models, [0], seed=0).decided is None
    assert score_targets(ATTACKS.make("gap"), models, [0], seed=0).decided is not None


def test_an_attacker_who_ignores_the_defence_takes_shadow_models_elsewhere() -> None:
    defended, plain = world(seed=1, leak=0.5), world(seed=1, leak=3.0)
    attack = ATTACKS.make("calibration")
    got = score_targets(attack, defended, [2], seed=0, reference=plain).scores[0]
    want = attack.score(defended.target(2), plain.shadows(2, 3), np.random.default_rng(0))
    assert np.array_equal(got, want)
    loss = score_targets(ATTACKS.make("loss"), defended, [2], seed=0, reference=plain)
    rest = [0, 1, 4, 5, 6, 7]
    shadow_scores = -plain.signals.statistics("loss")[rest, 0]
    threshold = best_threshold(shadow_scores.ravel(), plain.members[rest].ravel())
    assert np.array_equal(loss.decided[0], loss.scores[0] >= threshold)


REASONS = {
    "no shadow models": (lambda w: target_only(w), ["lira", "rmia_offline", "attack_r"], "it needs shadow models"),
    "a lone complement": (
        lambda w: Models(Signals(w.signals.labels, w.signals.logits[:2]), w.members[:2], w.audited[:2]),
        ["lira", "base", "calibration"],
        "it needs shadow models whose membership is neither the target's nor its complement",
    ),
    "never IN": (
        lambda w: with_members(w, np.where(np.arange(len(w.members))[:, None] == 0, w.members, False)),
        ["lira", "rmia", "base", "mast"],
        "some shadow models trained on and others did not",
    ),
    "never OUT": (
        lambda w: with_members(w, np.where(np.arange(len(w.members))[:, None] == 0, w.members, True)),
        ["lira_offline", "rmia_offline", "calibration", "attack_r"],
        "or more shadow models did not train on",
    ),
    "no labels": (
        lambda w: Models(Signals(logits=w.signals.logits), w.members, w.audited),
        ["loss", "gap", "lira", "confidence_per_class", "entropy_per_class", "mlp", "nn_cls", "samia"],
        "it needs the records' labels",
    ),
    "losses only": (
        lambda w: Models(Signals(w.signals.labels, losses=w.signals.statistics("loss")), w.members, w.audited),
        ["entropy", "top_confidence", "gap", "nn", "nn_top3", "samia"],
        "it needs logits or probabilities",
    ),
    "no noise": (
        lambda w: Models(Signals(w.signals.labels, w.signals.logits), w.members, w.audited),
        ["samia"],
        "it needs outputs for noisy copies of the records",
    ),
    "no scores": (
        lambda w: Models(Signals(w.signals.labels, w.signals.logits), w.members, w.audited),
        ["scores"],
        "it needs ready scores",
    ),
    "no population": (
        lambda w: Models(w.signals, w.members, w.audited),
        ["attack_p"],
        "it needs a population",
    ),
    "nobody to learn from": (
        lambda w: with_members(w, np.where(np.arange(len(w.members))[:, None] == 0, w.members, False)),
        ["mlp", "knn", "confidence_per_class"],
        "it needs members and non-members to learn from",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REASONS)
def test_an_attack_that_cannot_run_says_why(case: str) -> None:
    change, names, reason = REASONS[case]
    models = change(world())
    for name in names:
        assert reason in (applicable(ATTACKS.make(name), models, [0]) or ""), name


def test_offline_attacks_run_where_no_record_is_ever_in() -> None:
    models = world()
    never_in = with_members(models, np.where(np.arange(8)[:, None] == 0, models.members, False))
    for name in ("lira_offline", "rmia_offline", "base_offline", "calibration", "attack_r"):
        attack = ATTACKS.make(name)
        assert applicable(attack, never_in, [0]) is None
        assert auc(score_targets(attack, never_in, [0], seed=0).scores, models.members[:1]) > 0.53


def test_a_third_party_attack_without_a_threshold_gets_one() -> None:
    @dataclass(frozen=True)
    class Difference(Attack):
        name: ClassVar[str] = "difference"
        source: ClassVar[str] = "this test"

        @property
        def needs(self) -> tuple[str, ...]:
            return ("hinge",)

        def score(self, target: Target, shadows: Shadows | None, rng: np.random.Generator) -> Array:
            return target.statistic("hinge").mean(axis=0)

    models = world()
    assert applicable(Difference(), models, [0]) is None
    assert score_targets(Difference(), models, [0, 1], seed=0).decided is not None
