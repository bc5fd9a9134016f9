"""Attacks that borrow from records like x, against slow references written from the formula, a record at a time."""

import numpy as np
import pytest
from scipy import stats

from leakbench.attacks import ATTACKS
from leakbench.core.errors import InputError
from leakbench.evaluation.scoring import score_targets
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

from .worlds import auc, pairs, world

T = 2  # the target; its partner is left out too


def setting(views: int, labelled: bool):
    """Models with unequal numbers of IN models, a record that is never IN, and one that is always IN."""
    models = world(seed=5, m=8, v=views, n=60, c=3)
    members = np.random.default_rng(3).random((8, 60)) < 0.5
    members[:, 0], members[:, 1], members[4], members[6, 1:] = False, True, False, True
    members[0, 1] = False
    signals = models.signals if labelled else Signals(losses=models.signals.statistics("loss"))
    models = Models(signals, members, models.audited)
    shadows = [k for k in range(8) if k not in (T, T + 1)]
    phi = signals.statistics("logodds")
    labels = signals.labels if labelled else np.zeros(60, dtype=int)
    return models, shadows, phi, labels


def sides(members, shadows, x):
    return [k for k in shadows if members[k, x]], [k for k in shadows if not members[k, x]]


def nearest(members, shadows, phi, labels, x, reach):
    """The records of the class next to x by the mean over its OUT models and views."""
    hardness = [phi[sides(members, shadows, u)[1], :, u].mean() for u in range(labels.size)]
    alike = sorted((u for u in range(labels.size) if labels[u] == labels[x]), key=lambda u: hardness[u])
    place = alike.index(x)
    return [u for u in alike[max(0, place - reach) : place + reach + 1] if u != x]


def residual(values):
    """Sum of squares over models, the mean over views [n, V]."""
    return float(((values - values.mean(axis=0)) ** 2).sum(axis=0).mean()) if len(values) else 0.0


def freedom(models_of_side):
    return max(len(models_of_side) - 1, 0)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("views", [1, 3])
def test_bavaria_equals_its_formula(views, labelled):
    models, shadows, phi, labels = setting(views, labelled)
    attack = ATTACKS.make({"name": "bavaria", "neighbours": 10, "prior_models": 5.0})
    got = attack.score(models.target(T), models.shadows(T, T + 1), np.random.default_rng(0))
    n = labels.size
    split = [sides(models.members, shadows, u) for u in range(n)]
    overall = [
        sum(residual(phi[split[u][s], :, u]) for u in range(n)) / sum(freedom(split[u][s]) for u in range(n))
        for s in (0, 1)
    ]
    for x in range(2, n):  # the first two lack a side, see below
        near = nearest(models.members, shadows, phi, labels, x, 5)
        local, v = [], []
        for s in (0, 1):
            squares = sum(residual(phi[split[u][s], :, u]) for u in near) + overall[s]
            local.append(squares / (sum(freedom(split[u][s]) for u in near) + 1))
            own = residual(phi[split[x][s], :, x])
            v.append((5 * local[s] + own) / (5 + freedom(split[x][s])))
        borrowed = np.concatenate([phi[split[u][0], :, u] for u in near])  # [k, V]
        q = local[0] / max(borrowed.var(axis=0).mean() - local[0], 1e-6)
        inside, outside = (phi[split[x][s], :, x] for s in (0, 1))
        location = (q * borrowed.mean(axis=0) + inside.sum(axis=0)) / (q + len(inside))
        want = 0.0
        for view in range(views):
            value = phi[T, view, x]
            scale_in, scale_out = (
                np.sqrt(v[0] * (1 + 1 / (q + len(inside)))),
                np.sqrt(v[1] * (1 + 1 / len(outside))),
            )
            want += stats.t.logpdf(value, 5 + freedom(inside), location[view], scale_in)
            want -= stats.t.logpdf(value, 5 + freedom(outside), outside[:, view].mean(), scale_out)
        assert got[x] == pytest.approx(want, rel=1e-7, abs=1e-7), x
    assert np.isfinite(got[0])  # never IN: its neighbours stand for it


@pytest.mark.parametrize("proxies", ["nearest", "class", "all"])
@pytest.mark.parametrize("views", [1, 3])
def test_pmia_equals_its_formula(views, proxies):
    models, shadows, phi, labels = setting(views, labelled=True)
    spec = {"name": "pmia", "neighbours": 8, "proxies": proxies, "prior_models": 5.0}
    got = ATTACKS.make(spec).score(models.target(T), models.shadows(T, T + 1), np.random.default_rng(0))
    n = labels.size
    split = [sides(models.members, shadows, u) for u in range(n)]
    pooled = sum(residual(phi[out, :, u]) for u, (_, out) in enumerate(split)) / sum(
        freedom(out) for _, out in split
    )
    for x in (u for u in range(n) if u != 1):
        if proxies == "nearest":
            like = nearest(models.members, shadows, phi, labels, x, 4)
        else:
            like = [u for u in range(n) if u != x and (proxies == "all" or labels[u] == labels[x])]
        borrowed = np.concatenate([phi[split[u][0], :, u] for u in like])
        outside = phi[split[x][1], :, x]
        v = (5 * pooled + residual(outside)) / (5 + freedom(outside))
        want = 0.0
        for view in range(views):
            value = phi[T, view, x]
            want += stats.norm.logpdf(value, borrowed[:, view].mean(), np.sqrt(borrowed.var(axis=0).mean()))
            scale = np.sqrt(v * (1 + 1 / len(outside)))
            want -= stats.t.logpdf(value, 5 + len(outside) - 1, outside[:, view].mean(), scale)
        assert got[x] == pytest.approx(want, rel=1e-7, abs=1e-7), x


def test_pmia_sees_nothing_of_models_that_trained_on_the_record():
    """x's own IN values may be anything."""
    models, *_ = setting(1, labelled=True)
    x, logits = 7, models.signals.logits.copy()
    trained = [k for k in range(8) if models.members[k, x] and k not in (T, T + 1)]
    assert trained
    logits[trained, :, x] += 5.0 * np.eye(3)[models.signals.labels[x]]
    other = Models(Signals(models.signals.labels, logits), models.members, models.audited)
    pmia = ATTACKS.make("pmia")
    scores = [
        pmia.score(m.target(T), m.shadows(T, T + 1), np.random.default_rng(0))[x] for m in (models, other)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-9)


def test_borrowing_pays_where_the_gain_depends_on_how_hard_a_record_is():
    """Few models, hard records gain more: what records like x gained says more than one's own three IN models."""
    rng = np.random.default_rng(1)
    members, hard = pairs(rng, 8, 2000), rng.random(2000) * 4
    phi = 3 - hard * 2 + members * hard + rng.standard_normal(members.shape) * (0.4 + hard / 4)
    models = Models(Signals(losses=np.logaddexp(0, -phi)[:, None]), members, np.ones_like(members))
    found = {
        name: auc(score_targets(ATTACKS.make(name), models, range(8), seed=0).scores, members)
        for name in ("lira", "bavaria", "lira_offline", "pmia")
    }
    assert found["bavaria"] > found["lira"] + 0.01
    assert found["pmia"] > found["lira_offline"] + 0.01


def test_shadow_models_without_members_are_refused():
    nobody = np.zeros((4, 30), dtype=bool)
    models = Models(Signals(losses=np.random.default_rng(0).exponential(size=(4, 1, 30))), nobody, ~nobody)
    with pytest.raises(InputError, match="use lira_offline"):
        ATTACKS.make("pmia").score(models.target(0), models.shadows(0), np.random.default_rng(0))
    with pytest.raises(InputError, match="neighbours"):
        ATTACKS.make({"name": "pmia", "neighbours": 1})
    with pytest.raises(InputError, match="prior_models"):
        ATTACKS.make({"name": "bavaria", "prior_models": 0.0})
