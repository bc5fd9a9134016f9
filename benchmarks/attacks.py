"""Attacks against the loops and matrices that other tools use, on the same arrays, results compared.

Statistics are computed beforehand for both sides. All of it runs in one thread, in CPU seconds.
"""

import time
from collections.abc import Iterator

import numpy as np
from ratios import Ratio, in_turns
from scipy.stats import norm

from leakbench.attacks import ATTACKS
from leakbench.attacks.rmia import dominated
from leakbench.evaluation.scoring import score_targets, shadow_models
from leakbench.signals.models import Models
from leakbench.signals.types import Array, Bools, Signals

PART = "Attacks"
MODELS, RECORDS = 64, 5_000
LOOPED = 2, 2_500  # targets and records of LiRA's loop
AUDITED, POPULATION = 20_000, 10_000


def ratios() -> Iterator[Ratio]:
    """LiRA on every target, RMIA without its matrix, thresholds by class by sorting."""
    yield lira()
    yield rmia()
    yield per_class()


def lira_world(rng: np.random.Generator) -> Models:
    half = rng.random((MODELS // 2, RECORDS)) < 0.5
    members = np.stack([half, ~half], axis=1).reshape(MODELS, RECORDS)
    phi = rng.normal(size=members.shape) + 3 * rng.normal(size=RECORDS) + members
    signals = Signals(
        np.zeros(RECORDS, dtype=np.int64), np.stack([phi, np.zeros_like(phi)], axis=-1)[:, None]
    )
    signals.statistics("logodds", range(MODELS))
    return Models(signals, members, np.ones_like(members))


def lira_loop(phi: Array, models: Models, m: int, records: range) -> list[float]:
    """LiRA of target m a record at a time, with each record's own variance."""
    shadows = shadow_models(models, models, m).indices
    scores = []
    for x in records:
        values, inside = phi[shadows, x], models.members[shadows, x]
        v_in, v_out = values[inside], values[~inside]
        s = norm.logpdf(phi[m, x], v_in.mean(), v_in.std(ddof=1))
        scores.append(s - norm.logpdf(phi[m, x], v_out.mean(), v_out.std(ddof=1)))
    return scores


def lira() -> Ratio:
    """Every one of 64 models as target, against a loop over records with `scipy.stats.norm`."""
    models = lira_world(np.random.default_rng(0))
    attack = ATTACKS.make({"name": "lira", "variance": "example"})
    phi = models.signals.statistics("logodds", range(MODELS))[:, 0]
    targets, records = LOOPED

    def fresh() -> Array:
        """All targets, the moments over all models included."""
        again = Models(models.signals, models.members, models.audited)
        return score_targets(attack, again, range(MODELS), seed=0).scores

    def loop() -> Array:
        return np.array([lira_loop(phi, models, m, range(records)) for m in range(targets)])

    np.testing.assert_allclose(fresh()[:targets, :records], loop(), rtol=1e-9, atol=1e-9)
    scale = MODELS * RECORDS // (targets * records)
    times = in_turns(fresh, loop, 9, others=3, scale=scale, clock=time.process_time)
    what = f"LiRA, {MODELS} targets x {RECORDS:,} records: all at once / record by record"
    return Ratio(PART, what, *times, f"{targets} x {records:,} of the others, x{scale}")


def rmia_matrix(ratio: Array, others: Array, gamma: float) -> Array:
    """RMIA from the matrix of all ratios."""
    return np.asarray((ratio[:, None] / others >= gamma).mean(axis=1))


def rmia() -> Ratio:
    """20,000 records against 10,000 of the population: by sorting, against the matrix of all ratios (2 GB)."""
    rng = np.random.default_rng(1)
    log_ratio, log_others = rng.normal(size=AUDITED), rng.normal(size=POPULATION)
    ratio, others = np.exp(log_ratio), np.exp(log_others)

    def sorted_() -> Array:
        return dominated(log_ratio, log_others, 2.0)

    def matrix() -> Array:
        return rmia_matrix(ratio, others, 2.0)

    np.testing.assert_allclose(sorted_(), matrix(), atol=2 / POPULATION)  # a ratio within rounding of gamma
    times = in_turns(sorted_, matrix, 21, others=5, clock=time.process_time)
    return Ratio(PART, f"RMIA, {AUDITED:,} x {POPULATION:,}: by sorting / the matrix of ratios", *times)


def per_class() -> Ratio:
    """A threshold for each of ten classes on 20,000 records, against a scan for each score."""
    rng = np.random.default_rng(2)
    members, y = rng.random(AUDITED) < 0.5, rng.integers(10, size=AUDITED)
    features = np.column_stack([rng.normal(size=AUDITED) + 0.5 * members, y])
    attack = ATTACKS.make("modified_entropy_per_class")

    def scans() -> Array:
        tau = [scanned(features[y == c, 0], members[y == c]) for c in range(10)]
        return features[:, 0] - np.array(tau)[y]

    def sorts() -> Array:
        return attack.fit(features, members, rng)(features)

    np.testing.assert_array_equal(sorts(), scans())
    times = in_turns(sorts, scans, 15, others=3, clock=time.process_time)
    return Ratio(
        PART, f"thresholds by class, {AUDITED:,} records: by sorting / a scan for each score", *times
    )


def scanned(t: Array, members: Bools) -> float:
    """The threshold of the best balanced accuracy, by a scan for each."""
    inside, outside = t[members], t[~members]
    accuracy = [(inside >= x).mean() + (outside < x).mean() for x in np.sort(t)[::-1]]
    return float(np.sort(t)[::-1][int(np.argmax(accuracy))])
