"""Attacks against the loops and matrices that other tools use, on the same arrays, answers compared.

    python benchmarks/bench_attacks.py [--quick]

LiRA: every one of 64 models as target on 5,000 records, against one record at a time with `scipy.stats.norm`; the
loop runs on some targets and records and is scaled to all. RMIA: 20,000 records against 10,000 of the population,
against the matrix of all ratios, whole as other tools build it (2 GB). Statistics are computed beforehand for both
sides. All of it runs in one thread, so seconds are CPU seconds, which other load on the machine disturbs least.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import norm

from leakbench.attacks import ATTACKS
from leakbench.attacks.rmia import dominated
from leakbench.scoring import score_targets, shadow_models
from leakbench.types import Array, Models, Signals

MODELS, RECORDS = 64, 5_000
AUDITED, POPULATION = 20_000, 10_000


def timed(work: Callable[[], Any], repeats: int) -> tuple[list[float], Any]:
    """CPU seconds of each of `repeats` runs, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return seconds, result


def lira_world(rng: np.random.Generator) -> Models:
    half = rng.random((MODELS // 2, RECORDS)) < 0.5
    members = np.stack([half, ~half], axis=1).reshape(MODELS, RECORDS)
    phi = rng.normal(size=members.shape) + 3 * rng.normal(size=RECORDS) + members
    signals = Signals(
        np.zeros(RECORDS, dtype=np.int64), np.stack([phi, np.zeros_like(phi)], axis=-1)[:, None]
    )
    signals.statistic("logodds")
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


def bench_lira(repeats: int, targets: int, records: int) -> tuple[str, list[float], list[float]]:
    models = lira_world(np.random.default_rng(0))
    attack = ATTACKS.make({"name": "lira", "variance": "example"})

    def fresh() -> Array:
        """All targets, the moments over all models included."""
        again = Models(models.signals, models.members, models.audited)
        return score_targets(attack, again, range(MODELS), seed=0).scores

    phi = models.signals.statistic("logodds")[:, 0]
    fast, scores = timed(fresh, repeats)
    part = range(records)
    slow, loop = timed(lambda: [lira_loop(phi, models, m, part) for m in range(targets)], min(repeats, 3))
    np.testing.assert_allclose(scores[:targets, :records], loop, rtol=1e-9, atol=1e-9)
    scale = MODELS * RECORDS / (targets * records)
    label = f"LiRA, {MODELS} targets x {RECORDS:,} records (loop: {targets} x {records}, scaled x{scale:.0f})"
    return label, fast, [s * scale for s in slow]


def rmia_matrix(ratio: Array, others: Array, gamma: float) -> Array:
    """RMIA from the matrix of all ratios."""
    return np.asarray((ratio[:, None] / others >= gamma).mean(axis=1))


def bench_rmia(repeats: int) -> tuple[str, list[float], list[float]]:
    rng = np.random.default_rng(1)
    log_ratio, log_others = rng.normal(size=AUDITED), rng.normal(size=POPULATION)
    ratio, others = np.exp(log_ratio), np.exp(log_others)
    fast, scores = timed(lambda: dominated(log_ratio, log_others, 2.0), repeats)
    slow, dense = timed(lambda: rmia_matrix(ratio, others, 2.0), min(repeats, 5))
    np.testing.assert_allclose(scores, dense, atol=2 / POPULATION)  # a ratio within rounding of gamma
    return f"RMIA, {AUDITED:,} x {POPULATION:,}", fast, slow


def show(label: str, fast: list[float], slow: list[float], wanted: float) -> None:
    ours, theirs = statistics.median(fast), statistics.median(slow)
    print(label)
    for name, seconds in (("leakbench", fast), ("slow form", slow)):
        spread = f"{min(seconds):.4g}..{max(seconds):.4g} s of {len(seconds)} runs"
        print(f"  {name:10s} {statistics.median(seconds):10.4g} s  ({spread})")
    print(f"  ratio      {theirs / ours:10.0f} x  (wanted: at least {wanted:.0f} x)\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    quick = parser.parse_args().quick
    show(*bench_lira(3 if quick else 9, targets=2, records=500 if quick else 2_500), wanted=100)
    show(*bench_rmia(5 if quick else 21), wanted=300)


if __name__ == "__main__":
    main()
