"""Synthetic worlds with a known truth: members of a model, and its answers."""

import numpy as np

from leakbench.attacks import ATTACKS, Attack
from leakbench.attacks._network import NetworkAttack
from leakbench.signals.models import Models
from leakbench.signals.statistics import residual
from leakbench.signals.trajectories import metrics
from leakbench.signals.types import Signals

QUICK = {"epochs": 2, "batch_size": 32, "lr": 0.03, "max_examples": 640}  # learns these worlds in a moment
SMALLER = {
    "stacked": {"trees": 15},
    "label_only_boosted": {"iterations": 20, "leaf": 30},
    "loss_trajectory": {"epochs": 8, "max_examples": 1200},
}
PERTURBED = 6  # views


def quick(name: str) -> Attack:
    """The attack with its defaults; quicker if it trains a network or boosts trees."""
    fewer = QUICK if issubclass(ATTACKS.get(name), NetworkAttack) else SMALLER.get(name, {})
    return ATTACKS.make({"name": name, **fewer})


def pairs(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """Membership of complementary pairs of models [M, N]."""
    half = rng.random((m // 2, n)) < 0.5
    return np.stack([half, ~half], axis=1).reshape(m, n)


def world(
    seed: int = 0, m: int = 8, v: int = 1, n: int = 300, c: int = 5, leak: float = 2.0, population: int = 120
) -> Models:
    """M models whose true class gains `leak` in logit on their members; every array is read-only."""
    rng = np.random.default_rng(seed)
    members = pairs(rng, m, n)
    y = np.arange(n) % c
    ease = rng.normal(size=n) * 2
    z = logits(rng, m, v, y, c, ease, members * leak)
    y_out = np.arange(population) % c
    ease_out = rng.normal(size=population) * 2
    z_out = logits(rng, m, v, y_out, c, ease_out, np.zeros((m, population)))
    nobody = np.zeros((m, population), dtype=bool)
    outside = (
        Models(frozen(Signals(y_out, z_out, features=known(ease_out))), nobody, ~nobody)
        if population
        else None
    )
    members.setflags(write=False)
    ready = z[:, :, np.arange(n), y]
    noisy = z[:, :1] + np.round(rng.normal(size=(m, 2, n, c)) * 4) / 1024
    seen = z[:, :1] + np.random.default_rng(seed + 1000).normal(size=(m, PERTURBED, n, c))
    views = ("identity", *["flip"] * (v - 1), *["noise:0.2"] * 3, *["noise:0.4"] * 3)
    given = {"noisy": noisy, "predicted": seen.argmax(axis=-1), "gradients": gradients(z, y)}
    given["trajectories"] = students(z, y)
    signals = Signals(y, z, scores=ready, **given, features=known(ease), views=views)
    return Models(frozen(signals), members, np.ones_like(members), outside)


def known(ease: np.ndarray) -> np.ndarray:
    """Features of records [N, 3] of which one tells how easy they are."""
    return np.stack([np.cos(7 * ease), ease, np.sin(9 * ease)], axis=1)


def gradients(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logarithms of gradient norms [M, 2, N] that the first view's logits [M, V, N, C] would have, h of one length."""
    log_r = np.stack([residual(of_model[0], y)[0] for of_model in z])
    return np.stack([log_r + 1.0, log_r], axis=1)


def students(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Metrics [M, 10, N] of two epochs of students that know half, then all, of the first view's logits."""
    return np.stack(
        [np.concatenate([metrics(part * of_model[0], y) for part in (0.5, 1.0)]) for of_model in z]
    )


def logits(rng, m, v, y, c, ease, gain) -> np.ndarray:
    """Normal logits [M, V, N, C] plus a record's ease and a model's gain on the true class, in steps of 2^-10."""
    z = rng.normal(size=(m, v, y.size, c))
    z[:, :, np.arange(y.size), y] += 1.0 + ease + gain[:, None, :]
    return np.round(z * 1024) / 1024


def frozen(signals: Signals) -> Signals:
    """The same signals, their arrays read-only."""
    for array in (
        signals.labels,
        signals.logits,
        signals.losses,
        signals.scores,
        signals.noisy,
        signals.predicted,
        signals.gradients,
        signals.trajectories,
        signals.features,
    ):
        if array is not None:
            array.setflags(write=False)
    return signals


def with_members(models: Models, members: np.ndarray) -> Models:
    """The same answers with another membership."""
    return Models(models.signals, members, models.audited, models.population)


def auc(scores: np.ndarray, members: np.ndarray) -> float:
    """P(member's score > non-member's) + P(equal) / 2, by ranks."""
    from scipy.stats import rankdata

    known = np.isfinite(scores)
    ranks, inside = rankdata(scores[known]), members[known]
    n1, n0 = inside.sum(), (~inside).sum()
    return float((ranks[inside].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def noise_sd(n1: int, n0: int) -> float:
    """Standard deviation of the AUC of scores that do not know membership."""
    return float(np.sqrt((n1 + n0 + 1) / (12 * n1 * n0)))
