"""`stacked`: its features against plain loops, what it may not see, designs whose counts tell, and what it finds."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from leakbench import audit
from leakbench.attacks import ATTACKS
from leakbench.attacks._references import References
from leakbench.attacks.stacked import Stacked
from leakbench.evaluation.scoring import score_targets, shadow_models
from leakbench.signals.models import Models, Shadows
from leakbench.signals.types import Signals

from .worlds import auc, frozen, noise_sd, pairs, quick, with_members, world

QUICK = {"trees": 15}


@dataclass(frozen=True)
class Spy(Stacked):
    """Keeps the examples that it is fitted on and the features that it scores."""

    seen: list = field(default_factory=list)

    def __post_init__(self) -> None:
        pass

    def fit(self, examples, members, rng):
        self.seen.append((examples, members))

        def scorer(features):
            self.seen.append(features)
            return features[:, 0]

        return scorer


def small(views: int) -> Models:
    """Eight models in pairs; record 0 is a member of model 2 alone, and audited of two models."""
    models = world(seed=3, m=8, v=views, n=40, c=4)
    members = models.members.copy()
    members[:, 0] = np.arange(8) == 2
    audited = np.ones_like(members)
    audited[:, 0] = np.isin(np.arange(8), [2, 4])
    return Models(models.signals, members, audited)


def slow(models: Models, target: int, others: list[int]) -> np.ndarray:
    """The features of a model beside others, one record and one statistic at a time."""
    z, y, members = models.signals.logits, models.signals.labels, models.members
    _, views, n, classes = z.shape

    def numbers(k: int, x: int) -> list[float]:
        """phi, p and the statistics of the whole vector, means over views."""
        phis, ps, rows = [], [], []
        for v in range(views):
            e = [math.exp(value) for value in z[k, v, x]]
            f = [value / math.fsum(e) for value in e]
            p, rest = f[y[x]], [f[c] for c in range(classes) if c != y[x]]
            phis.append(math.log(p) - math.log(math.fsum(rest)))
            ps.append(p)
            margin = z[k, v, x, y[x]] - max(z[k, v, x, c] for c in range(classes) if c != y[x])
            entropy = -math.fsum(q * math.log(q) for q in f)
            modified = -(1 - p) * math.log(p) - math.fsum(q * math.log(1 - q) for q in rest)
            largest = [math.log(q) for q in sorted(f, reverse=True)[:3]]
            rows.append([margin, entropy, modified, *largest, math.log(max(rest))])
        phi = math.fsum(phis) / views
        spread = [] if views == 1 else [math.sqrt(math.fsum((a - phi) ** 2 for a in phis) / views)]
        means = [math.fsum(row[i] for row in rows) / views for i in range(7)]
        return [phi, math.fsum(ps) / views, phi, *spread, *means]

    def table(k: int) -> np.ndarray:
        values = np.array([numbers(k, x) for x in range(n)]).T
        for row in values[2:]:
            row -= np.array([row[y == y[x]].mean() for x in range(n)])
        return values

    t, of_model = table(target), {k: table(k) for k in others}
    sides: list[list[list[int]]] = [
        [[k for k in others if members[k, x] == side] for x in range(n)] for side in (1, 0)
    ]
    rows = [f for f in range(len(t)) if f != 1]

    def mean(side: int, f: int, x: int) -> float:
        models_there = sides[side][x]
        if not models_there:  # only ever IN ones are missing here
            both = [u for u in range(n) if sides[0][u] and sides[1][u]]
            return mean(1, f, x) + float(np.mean([mean(0, f, u) - mean(1, f, u) for u in both]))
        return math.fsum(of_model[k][f, x] for k in models_there) / len(models_there)

    def squares(side: int, f: int, x: int) -> float:
        return math.fsum((of_model[k][f, x] - mean(side, f, x)) ** 2 for k in sides[side][x])

    def freedom(side: int, x: int) -> int:
        return max(len(sides[side][x]) - 1, 0)

    def pooled(side: int, f: int) -> float:
        total = sum(freedom(side, x) for x in range(n))
        return max(math.fsum(squares(side, f, x) for x in range(n)) / total, 1e-6)

    def variance(side: int, f: int, x: int) -> float:
        return max((8 * pooled(side, f) + squares(side, f, x)) / (8 + freedom(side, x)), 1e-6)

    def log_normal(value: float, m: float, v: float) -> float:
        return -0.5 * ((value - m) ** 2 / v + math.log(v))

    wide = {(s, f): pooled(s, f) for s in (0, 1) for f in rows}
    found = []
    for x in range(n):
        m = {(s, f): mean(s, f, x) for s in (0, 1) for f in rows}
        v = {(s, f): variance(s, f, x) for s in (0, 1) for f in rows}
        everyone = math.fsum(of_model[k][1, x] for k in others) / len(others)
        found.append([
            math.log(t[1, x]) - math.log(everyone),
            math.log(t[1, x]) - 0.33 * math.log(mean(1, 1, x)),
            m[0, 0], m[1, 0], v[0, 0], v[1, 0],
            (t[0, x] - m[0, 0]) / math.sqrt(v[0, 0]), (t[0, x] - m[1, 0]) / math.sqrt(v[1, 0]), m[0, 0] - m[1, 0],
            *(log_normal(t[f, x], m[0, f], v[0, f]) - log_normal(t[f, x], m[1, f], v[1, f]) for f in rows),
            *(log_normal(t[f, x], m[0, f], wide[0, f]) - log_normal(t[f, x], m[1, f], wide[1, f]) for f in rows),
            *(t[f, x] - m[1, f] for f in rows),
            *(t[f, x] for f in rows),
        ])  # fmt: skip
    return np.array(found)


@pytest.mark.parametrize("views", [1, 2])
def test_features_are_those_of_plain_loops(views: int) -> None:
    models, spy = small(views), Spy()
    spy.score(models.target(4), models.shadows(4, 5), np.random.default_rng(0))
    (examples, members), own = spy.seen
    np.testing.assert_allclose(own, slow(models, 4, [0, 1, 2, 3, 6, 7]), rtol=1e-7, atol=1e-9)
    beside_neither_pair = slow(models, 6, [0, 1, 2, 3])[1:]
    assert np.abs(beside_neither_pair[:, None] - examples).max(axis=2).min(axis=1).max() < 1e-7
    assert members.sum() == (~members).sum() == len(examples) / 2 == 6 * 39 / 2


def test_the_scores_are_those_of_the_classifier_on_these_features() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    models, spy = world(n=100), Spy()
    spy.score(models.target(0), models.shadows(0, 1), np.random.default_rng(0))
    (examples, members), own = spy.seen
    reference = HistGradientBoostingClassifier(
        max_iter=75, max_leaf_nodes=15, min_samples_leaf=30, max_bins=64, early_stopping=False
    )
    with threadpool_limits(1):
        reference.fit(examples, members)
    got = Stacked().score(models.target(0), models.shadows(0, 1), np.random.default_rng(0))
    np.testing.assert_allclose(got, reference.decision_function(own), rtol=1e-9)


def balanced_without_pairs(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """Every record in exactly half of the models [M, N]."""
    return rng.random((m, n)).argsort(axis=0) < m // 2


@pytest.mark.parametrize("design", [pairs, balanced_without_pairs])
def test_no_bit_of_a_score_depends_on_the_targets_membership(design) -> None:
    models = world(n=200)
    members = design(np.random.default_rng(0), 8, 200)
    flipped = members.copy()
    flipped[2] = ~flipped[2]
    excluded = shadow_models(with_members(models, members), with_members(models, members), 2).exclude
    a, b = (
        Stacked(**QUICK).score(w.target(2), w.shadows(*excluded), np.random.default_rng(0))
        for w in (with_members(models, members), with_members(models, flipped))
    )
    assert np.array_equal(a, b)


def unequal(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """Some records are members of most models, others of few [M, N]."""
    return rng.random((m, n)) < rng.beta(1, 1, n)


def third(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """Every record in exactly a third of the models [M, N]."""
    return rng.random((m, n)).argsort(axis=0) < m // 3


def lost(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """Every record in exactly half of the models, of which one diverged [M, N]."""
    return balanced_without_pairs(rng, m + 1, n)[:m]


def independent(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """Every membership by a coin of its own [M, N]."""
    return rng.random((m, n)) < 0.5


@pytest.mark.parametrize("n", [500, pytest.param(800, marks=pytest.mark.slow)])
@pytest.mark.parametrize("design", [pairs, independent, balanced_without_pairs, third, lost, unequal])
def test_models_that_are_blind_to_membership_read_as_chance_in_any_design(design, n) -> None:
    """Without equal counts of IN and OUT models, AUC 0.71 to 0.75 where each record is in exactly half the models."""
    readings, band = [], []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        m = 7 if design is lost else 8
        members, y = design(rng, m, n), rng.integers(0, 4, n)
        z = rng.normal(size=(m, 1, n, 4)) + 2 * rng.normal(size=(1, 1, n, 1)) * np.eye(4)[y]
        models = Models(Signals(y, z), members, np.ones_like(members))
        scores = score_targets(Stacked(**QUICK), models, range(m), seed=0).scores
        known = np.isfinite(scores)
        readings.append(auc(scores, members) - 0.5)
        band.append(noise_sd((members & known).sum(), (~members & known).sum()))
    assert abs(np.mean(readings)) < 4 * np.mean(band) / math.sqrt(2)


def test_matched_models_are_as_many_in_as_out_and_left_out_together() -> None:
    members = balanced_without_pairs(np.random.default_rng(0), 9, 300)
    nothing = Signals(losses=np.ones((9, 1, 300)))
    shadows = Shadows(Models(nothing, members, np.ones_like(members)), (8,))
    references = References.of(shadows, np.random.default_rng(1))
    kept = references.kept
    assert ((kept & members[:8]).sum(axis=0) == 3).all() and ((kept & ~members[:8]).sum(axis=0) == 3).all()
    for s in range(8):
        rest = kept & ~references.left_out(s)
        assert not (rest[s]).any()
        assert ((rest & members[:8]).sum(axis=0)[kept[s]] == 2).all()
        assert ((rest & ~members[:8]).sum(axis=0)[kept[s]] == 2).all()


def test_four_models_in_pairs_are_scored_by_base_and_flagged() -> None:
    models = world(m=4)
    scores = score_targets(Stacked(), models, [2], seed=0).scores
    assert np.array_equal(scores, score_targets(ATTACKS.make("base"), models, [2], seed=0).scores)
    s = models.signals
    told = audit(logits=s.logits, labels=s.labels, members=models.members, attacks=["stacked"])
    assert [f.attack for f in told.flags if f.code == "F18"] == ["stacked"]
    eight = world(m=8)
    told = audit(logits=eight.signals.logits, labels=s.labels, members=eight.members, attacks=["stacked"])
    assert "F18" not in [f.code for f in told.flags]


@pytest.mark.parametrize("moved", ["true class", "another class"])
def test_stronger_than_lira_where_members_answers_differ_in_more_than_the_true_class(moved: str) -> None:
    rng = np.random.default_rng(0)
    m, n = 8, 600
    members, y = pairs(rng, m, n), rng.integers(0, 6, n)
    z = rng.normal(size=(m, 1, n, 6)) + 2 * rng.normal(size=(1, 1, n, 6))
    z[:, 0, np.arange(n), y] += 3 + members
    if moved == "another class":  # the margin over the second class falls, the true class' probability stays
        z[:, 0, np.arange(n), (y + 1) % 6] += 2 * members - 1
    models = Models(frozen(Signals(y, z)), members, np.ones_like(members))
    found = {
        name: auc(score_targets(quick(name), models, range(m), seed=0).scores, members)
        for name in ("stacked", "lira")
    }
    assert found["stacked"] > found["lira"] + (0.0 if moved == "true class" else 0.03)
