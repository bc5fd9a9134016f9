"""Every shadow-model attack against a slow reference: one record at a time, written from the formula."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from leakbench.attacks import ATTACKS
from leakbench.attacks.rmia import dominated
from leakbench.metrics.statistics.roc import best_threshold
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import frozen, pairs

TARGET = 1
CASES = [(seed, views, classes) for seed, (views, classes) in enumerate([(1, 2), (1, 5), (3, 2), (3, 5)])]


def nasty(seed: int, views: int, classes: int, models: int = 9, n: int = 40, z: int = 25) -> Models:
    """Ties everywhere, a record never IN, one IN only once, a model without members."""
    rng = np.random.default_rng(seed)
    members = np.vstack([pairs(rng, models - 1, n), np.zeros(n, dtype=bool)])
    members[:, 0] = False
    members[:, 1] = np.arange(models) == 3
    members[TARGET, :2] = True, False
    answers = [np.round(rng.normal(size=(models, views, k, classes)) * 2) / 2 for k in (n, z)]
    answers[0][:, :, 5] = answers[0][0, 0, 5]  # the same answer of every model: no variance at all
    answers[0][:, :, 8] = np.eye(classes)[0] * (1 + members[:, 8, None, None])  # one for IN, another for OUT
    answers[0][TARGET, :, 8] += np.eye(classes)[0] / 4
    answers[0][:, :, 6] = answers[0][:, :, 7]
    labels = [rng.integers(0, classes, k) for k in (n, z)]
    labels[0][6] = labels[0][7]
    answers[1][:, :, 0], labels[1][0] = answers[0][:, :, 6], labels[0][6]  # the population ties with a record
    nobody = np.zeros((models, z), dtype=bool)
    population = Models(frozen(Signals(labels[1], answers[1])), nobody, ~nobody)
    return Models(frozen(Signals(labels[0], answers[0])), members, np.ones_like(members), population)


class Slow:
    """Numbers of one world as plain python floats, computed from the definitions."""

    def __init__(self, world: Models) -> None:
        z, y = world.signals.logits, world.signals.labels
        self.models, self.views, self.n, self.classes = z.shape
        self.p = [
            [[self._p(z[k, v, x], y[x]) for x in range(self.n)] for v in range(self.views)]
            for k in range(self.models)
        ]
        self.shadows = [k for k in range(self.models) if k != TARGET]
        self.members = world.members

    @staticmethod
    def _p(z, y) -> tuple[float, float]:
        """(p, 1 - p)."""
        e = [math.exp(v) for v in z]
        return e[y] / math.fsum(e), math.fsum(e[:y] + e[y + 1 :]) / math.fsum(e)

    def phi(self, k: int, v: int, x: int) -> float:
        p, q = self.p[k][v][x]
        return math.log(p) - math.log(q)

    def loss(self, k: int, v: int, x: int) -> float:
        return -math.log(self.p[k][v][x][0])

    def inside(self, x: int) -> list[int]:
        return [k for k in self.shadows if self.members[k, x]]

    def outside(self, x: int) -> list[int]:
        return [k for k in self.shadows if not self.members[k, x]]

    def mean_p(self, models: list[int], x: int) -> float:
        return mean([self.p[k][v][x][0] for k in models for v in range(self.views)])

    def mean_in(self, f, v: int, x: int) -> float:
        """Mean over IN models, or the OUT mean shifted as the other records shift."""
        if self.inside(x):
            return mean([f(k, v, x) for k in self.inside(x)])
        others = [u for u in range(self.n) if self.inside(u) and self.outside(u)]
        shift = mean(
            [
                mean([f(k, v, u) for k in self.inside(u)]) - mean([f(k, v, u) for k in self.outside(u)])
                for u in others
            ]
        )
        return mean([f(k, v, x) for k in self.outside(x)]) + shift

    def squares(self, side, x: int) -> float:
        """Squared deviations of phi, averaged over views."""
        total = 0.0
        for v in range(self.views):
            values = [self.phi(k, v, x) for k in side(x)]
            total += sum((value - mean(values)) ** 2 for value in values)
        return total / self.views

    def variance(self, side, kind: str, prior: float, x: int) -> float:
        pooled = sum(self.squares(side, u) for u in range(self.n)) / sum(
            max(len(side(u)) - 1, 0) for u in range(self.n)
        )
        freedom = max(len(side(x)) - 1, 0)
        if kind == "global" or (kind == "example" and freedom == 0):
            value = pooled
        elif kind == "example":
            value = self.squares(side, x) / freedom
        else:
            value = (prior * pooled + self.squares(side, x)) / (prior + freedom)
        return max(value, 1e-6)


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def scored(world: Models, name: str, **parameters) -> np.ndarray:
    attack = ATTACKS.make({"name": name, **parameters})
    return attack.score(world.target(TARGET), world.shadows(TARGET), np.random.default_rng(0))


@pytest.fixture(params=CASES, ids=lambda case: f"V={case[1]},C={case[2]}")
def both(request) -> tuple[Models, Slow]:
    world = nasty(*request.param)
    return world, Slow(world)


def same(got: np.ndarray, want: list[float]) -> None:
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["example", "global", "shrunken", "auto"])
def test_lira_online(both: tuple[Models, Slow], kind: str) -> None:
    world, slow = both
    want = []
    for x in range(slow.n):
        kind_used = "global" if kind == "auto" else kind  # 8 shadow models
        sd_in = math.sqrt(slow.variance(slow.inside, kind_used, 8.0, x))
        sd_out = math.sqrt(slow.variance(slow.outside, kind_used, 8.0, x))
        s = 0.0
        for v in range(slow.views):
            phi = slow.phi(TARGET, v, x)
            s += norm.logpdf(phi, slow.mean_in(slow.phi, v, x), sd_in)
            s -= norm.logpdf(phi, mean([slow.phi(k, v, x) for k in slow.outside(x)]), sd_out)
        want.append(s)
    np.testing.assert_allclose(scored(world, "lira", variance=kind), want, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("kind", ["example", "global", "shrunken"])
def test_lira_offline_is_one_sided(both: tuple[Models, Slow], kind: str) -> None:
    world, slow = both
    want = []
    for x in range(slow.n):
        sd = math.sqrt(slow.variance(slow.outside, kind, 3.0, x))
        means = [mean([slow.phi(k, v, x) for k in slow.outside(x)]) for v in range(slow.views)]
        want.append(sum(norm.logcdf(slow.phi(TARGET, v, x), means[v], sd) for v in range(slow.views)))
    same(scored(world, "lira_offline", variance=kind, prior_models=3.0), want)


def test_auto_variance_changes_at_64_shadow_models() -> None:
    rng = np.random.default_rng(0)
    for models, kind in ((64, "global"), (65, "example")):  # the target is one of them
        members = rng.random((models, 30)) < 0.5
        world = Models(
            Signals(np.zeros(30, int), rng.normal(size=(models, 1, 30, 2))), members, members | True
        )
        assert np.array_equal(scored(world, "lira", variance="auto"), scored(world, "lira", variance=kind))
        other = {"global": "example", "example": "global"}[kind]
        assert not np.allclose(scored(world, "lira"), scored(world, "lira", variance=other))


@pytest.mark.parametrize("gamma", [1.0, 1.7])
@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("with_population", [True, False])
def test_rmia(both: tuple[Models, Slow], gamma: float, online: bool, with_population: bool) -> None:
    world, slow = both
    if not with_population:
        world = Models(world.signals, world.members, world.audited)

    def ratio(s: Slow, x: int, outside: list[int]) -> float:
        p = s.mean_p(s.shadows, x) if online else 0.5 * (1.4 * s.mean_p(outside, x) + 0.6)
        return s.mean_p([TARGET], x) / p

    mine = [ratio(slow, x, slow.outside(x)) for x in range(slow.n)]
    zs = mine
    if with_population:
        others = Slow(world.population)
        zs = [ratio(others, x, others.shadows) for x in range(others.n)]
    got = scored(world, "rmia", online=online, gamma=gamma, offline_a=0.4)
    for s, r in zip(got, mine, strict=True):  # a ratio within rounding of gamma may fall on either side
        surely = sum(r / q >= gamma * (1 + 1e-12) for q in zs)
        maybe = sum(r / q >= gamma * (1 - 1e-12) for q in zs)
        assert surely - 1e-9 <= s * len(zs) <= maybe + 1e-9


def test_base(both: tuple[Models, Slow]) -> None:
    world, slow = both
    log_p = [math.log(slow.mean_p([TARGET], x)) for x in range(slow.n)]
    same(scored(world, "base"), [log_p[x] - math.log(slow.mean_p(slow.shadows, x)) for x in range(slow.n)])
    offline = [log_p[x] - 0.33 * math.log(slow.mean_p(slow.outside(x), x)) for x in range(slow.n)]
    same(scored(world, "base_offline"), offline)


def test_attack_p(both: tuple[Models, Slow]) -> None:
    world, slow = both
    t = -world.signals.statistics("loss")[TARGET].mean(axis=0)  # ranks need the very floats that may tie
    z = -world.population.signals.statistics("loss")[TARGET].mean(axis=0)
    want = [mean([(q < t[x]) + (q == t[x]) / 2 for q in z]) for x in range(slow.n)]
    same(scored(world, "attack_p"), want)
    assert any(q == u for q in z for u in t), "the world has ties"


def test_attack_r(both: tuple[Models, Slow]) -> None:
    world, slow = both
    t = -world.signals.statistics("loss").mean(axis=1)
    want = [
        mean([(t[k, x] < t[TARGET, x]) + (t[k, x] == t[TARGET, x]) / 2 for k in slow.outside(x)])
        for x in range(slow.n)
    ]
    same(scored(world, "attack_r"), want)
    assert scored(world, "attack_r")[5] == 0.5  # every model answers the same: all ties


def test_calibration(both: tuple[Models, Slow]) -> None:
    world, slow = both
    views = range(slow.views)
    for statistic, f, sign in (("logodds", slow.phi, 1), ("loss", slow.loss, -1)):
        want = [
            mean([sign * (f(TARGET, v, x) - mean([f(k, v, x) for k in slow.outside(x)])) for v in views])
            for x in range(slow.n)
        ]
        same(scored(world, "calibration", statistic=statistic), want)


def test_mast(both: tuple[Models, Slow]) -> None:
    world, slow = both
    for statistic, f, sign in (("loss", slow.loss, -1), ("logodds", slow.phi, 1)):
        want = []
        for x in range(slow.n):
            s = 0.0
            for v in range(slow.views):
                outside = mean([f(k, v, x) for k in slow.outside(x)])
                s += sign * (f(TARGET, v, x) - (slow.mean_in(f, v, x) + outside) / 2)
            want.append(s / slow.views)
        same(scored(world, "mast", statistic=statistic), want)


@pytest.mark.parametrize("statistic", ["confidence", "entropy", "modified_entropy"])
def test_per_class_thresholds(both: tuple[Models, Slow], statistic: str) -> None:
    world, slow = both
    sign = 1 if statistic == "confidence" else -1
    value = sign * world.signals.statistics(statistic).mean(axis=1)
    labels = world.signals.labels

    def best(examples: list[tuple[float, bool]]) -> float:
        """The highest threshold of the best balanced accuracy, by trying every one on every example."""
        ins, outs = [s for s, m in examples if m], [s for s, m in examples if not m]
        tries = [
            (round(mean([s >= t for s in ins]) + mean([s < t for s in outs]), 12), t)
            for t in {s for s, _ in examples}
        ]
        return max(tries)[1]

    pooled = [(value[k, x], slow.members[k, x], labels[x]) for k in slow.shadows for x in range(slow.n)]
    want = []
    for x in range(slow.n):
        own = [(s, m) for s, m, c in pooled if c == labels[x]]
        usable = own if len({m for _, m in own}) == 2 else [(s, m) for s, m, _ in pooled]
        want.append(value[TARGET, x] - best(usable))
    same(scored(world, f"{statistic}_per_class"), want)


def test_a_class_without_examples_takes_the_global_threshold() -> None:
    attack = ATTACKS.make("confidence_per_class")
    features = np.array([[0.9, 0], [0.8, 0], [0.3, 0], [0.1, 0], [0.7, 1], [0.95, 1]])
    members = np.array([True, True, False, False, False, False])
    scorer = attack.fit(features, members, np.random.default_rng(0))
    overall = best_threshold(features[:, 0], members)
    asked = np.array([[0.5, 0], [0.5, 1], [0.5, 7]])  # known; known on one side only; never seen
    assert scorer(asked) == pytest.approx([0.5 - 0.8, 0.5 - overall, 0.5 - overall])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-40, 40), min_size=1),
    st.lists(st.integers(-40, 40), min_size=1),
    st.sampled_from([1, 2, 8]),
)
def test_dominated_share_equals_the_matrix_of_ratios(mine: list[int], others: list[int], gamma: int) -> None:
    ratio, z = np.log(2) * np.array(mine), np.log(2) * np.array(others)  # powers of two: ties are exact
    want = (2.0 ** np.subtract.outer(np.array(mine), np.array(others)) >= gamma).mean(axis=1)
    got = dominated(ratio + 1e-12, z, float(gamma))
    np.testing.assert_allclose(got, want, atol=1e-15)
