"""What `stacked` knows of a record: statistics of one model, and how they compare with the IN and OUT models'."""

from typing import NamedTuple

import numpy as np

from ..signals.models import Moments, Target
from ..signals.statistics import LOG_FLOOR, log_softmax
from ..signals.types import Array
from ._probability import log_p
from ._shadow import mean_inside

LOGODDS, P = 0, 1  # rows of the statistics that are compared by class; the others follow
LARGEST = 3  # sorted log-probabilities that are statistics each
OFFLINE_SCALE = 0.33  # of BASE's offline form
FLOOR = 1e-6  # of a variance, as in LiRA


def statistics(target: Target) -> Array:
    """One model's statistics [F, N], means over views: phi, p, and the others relative to their class."""
    return target.signals.derived("stacked", target.index, lambda: _statistics(target))


def _statistics(target: Target) -> Array:
    phi = target.statistic("logodds")
    rows = [phi.mean(axis=0)]
    if len(phi) > 1:
        rows.append(phi.std(axis=0))
    if target.signals.offers("logits") and target.labels is not None:
        rows += [target.statistic(name).mean(axis=0) for name in ("hinge", "entropy", "modified_entropy")]
        rows += _of_vector(target)
    relative = [row - _class_mean(row, target) for row in rows]
    return np.stack([rows[0], np.exp(log_p(target)), *relative])


def _of_vector(target: Target) -> list[Array]:
    """The largest log-probabilities, and that of the likeliest class besides the label, each [N]."""
    assert target.labels is not None
    log_f = np.maximum(log_softmax(target.logits), LOG_FLOOR)  # [V, N, C]
    others = np.where(np.arange(log_f.shape[2]) == target.labels[:, None], -np.inf, log_f)
    falling = -np.sort(-log_f, axis=2)[:, :, :LARGEST]
    return [*falling.mean(axis=0).T, others.max(axis=2).mean(axis=0)]


def _class_mean(row: Array, target: Target) -> Array:
    """For each record the mean over those of its class, or over all without labels [N]."""
    label = np.zeros(row.size, dtype=np.intp) if target.labels is None else target.labels
    return np.asarray((np.bincount(label, row) / np.maximum(np.bincount(label), 1))[label])


class Compared(NamedTuple):
    """Statistics x [F, N] beside the means and variances of the IN and of the OUT models, [F, N] each."""

    x: Array
    mean_in: Array
    mean_out: Array
    v_in: Array
    v_out: Array
    pooled_in: Array  # [F, 1]
    pooled_out: Array  # [F, 1]

    @classmethod
    def of(cls, x: Array, inside: Moments, outside: Moments, prior_models: float) -> "Compared":
        """As LiRA has it: variances shrink to the pooled ones, a mean without an IN model is borrowed."""
        v_out, pooled_out = _shrunken(outside, prior_models)
        v_in, pooled_in = _shrunken(inside, prior_models) if (inside.n > 1).any() else (v_out, pooled_out)
        return cls(x, mean_inside(inside, outside), outside.mean, v_in, v_out, pooled_in, pooled_out)

    def ratio(self) -> Array:
        """log N(x; mean_in, v_in) - log N(x; mean_out, v_out) [F, N]."""
        return _log_normal(self.x, self.mean_in, self.v_in) - _log_normal(self.x, self.mean_out, self.v_out)

    def pooled_ratio(self) -> Array:
        """The same with one variance for all records [F, N]."""
        inside = _log_normal(self.x, self.mean_in, self.pooled_in)
        return inside - _log_normal(self.x, self.mean_out, self.pooled_out)


def _shrunken(moments: Moments, prior_models: float) -> tuple[Array, Array]:
    """Variances [F, N] that shrink to the pooled ones [F, 1], and these."""
    freedom = np.maximum(moments.n - 1, 0)
    pooled = moments.m2.sum(axis=1, keepdims=True) / max(freedom.sum(), 1.0)
    v = (prior_models * pooled + moments.m2) / (prior_models + freedom)
    return np.maximum(v, FLOOR), np.maximum(pooled, FLOOR)


def _log_normal(x: Array, mean: Array, v: Array) -> Array:
    return np.asarray(-0.5 * ((x - mean) ** 2 / v + np.log(v)))


def features(x: Array, inside: Moments, outside: Moments, prior_models: float) -> Array:
    """Features [N, D] of one model's statistics [F, N] beside the moments of the other models'."""
    c = Compared.of(x, inside, outside, prior_models)
    log_x = np.log(np.maximum(x[P], np.exp(LOG_FLOOR)))
    total = inside.n + outside.n
    mean_p = (inside.n * inside.mean[P] + outside.n * outside.mean[P]) / np.maximum(total, 1)
    base = [
        log_x - scale * np.log(np.maximum(mean, np.exp(LOG_FLOOR)))
        for mean, scale in ((mean_p, 1.0), (outside.mean[P], OFFLINE_SCALE))
    ]
    level = [c.mean_in, c.mean_out, c.v_in, c.v_out, (x - c.mean_in) / np.sqrt(c.v_in)]
    level.append((x - c.mean_out) / np.sqrt(c.v_out))
    level.append(c.mean_in - c.mean_out)
    alike = [c.ratio(), c.pooled_ratio(), x - c.mean_out, x]
    rows = [*base, *(a[LOGODDS] for a in level)]
    rows += [row for a in alike for row in np.delete(a, P, axis=0)]
    return np.stack(rows, axis=1)
