"""Metrics against the slow forms in use elsewhere, on the same arrays: `python benchmarks/bench_metrics.py`.

Times are CPU seconds of this process, so that a busy machine does not count; both sides run on one core.
"""

import itertools
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_curve

from leakbench.metrics import Sample
from leakbench.metrics.bootstrap import Presorted, draws, resample
from leakbench.metrics.roc import best_threshold
from leakbench.metrics.standard import STANDARD
from leakbench.seeds import stream


def seconds(run: Callable[[], object], repeats: int) -> list[float]:
    """CPU time of each of `repeats` runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return times


def line(name: str, times: list[float], note: str = "") -> float:
    median = float(np.median(times))
    print(f"| {name} | {median:.4g} | {min(times):.4g} - {max(times):.4g} | {len(times)} | {note} |")
    return median


def one_target(n: int, d: float) -> Sample:
    rng = stream(0, "bench", n)
    members = np.arange(2 * n) < n
    scores = rng.standard_normal(2 * n) + d * members
    return Sample(
        scores, members, np.zeros(2 * n, dtype=int), np.arange(2 * n), rng.random(2 * n) < 0.5, scores > 0
    )


def quadratic_threshold(scores: np.ndarray, members: np.ndarray) -> float:
    """Every score tried as the threshold, with two full scans each: the loop that published attack code shares."""
    inside, outside = scores[members], scores[~members]
    best, threshold = 0.0, 0.0
    for t in scores:
        accuracy = 0.5 * ((inside >= t).mean() + (outside < t).mean())
        if accuracy > best:
            best, threshold = accuracy, t
    return threshold


def bench_threshold() -> None:
    sample = one_target(25_000, 0.5)
    s, m = sample.scores, sample.members
    assert best_threshold(s, m) == quadratic_threshold(s, m)
    fast = line("best threshold, 25,000 a side: one sort", seconds(lambda: best_threshold(s, m), 15))
    slow = seconds(lambda: quadratic_threshold(s, m), 3)
    line("... quadratic loop", slow, f"{np.median(slow) / fast:.0f} x")


def bench_bootstrap(resamples: int = 1000, tried: int = 10) -> None:
    sample = one_target(50_000, 0.5)
    s, m = sample.scores, sample.members
    grid = np.geomspace(1e-5, 1, 100)
    fast = line(
        f"bootstrap of a ROC of 100,000 scores, {resamples} resamples: presorted",
        seconds(lambda: resample([sample], grid, resamples, 0), 3),
    )
    presorted = Presorted(sample)
    slow = []
    for weights in itertools.islice(draws(sample, stream(1)), tried):
        fpr, tpr = np.empty(0), np.empty(0)

        def resort(weights: np.ndarray = weights) -> None:
            nonlocal fpr, tpr
            index = np.repeat(np.arange(s.size), weights)
            fpr, tpr, _ = roc_curve(m[index], s[index])

        slow += [t * resamples for t in seconds(resort, 1)]
        np.testing.assert_allclose(np.trapezoid(tpr, fpr), presorted.roc(weights, grid).auc, atol=1e-9)
    note = (
        f"{np.median(slow) / fast:.0f} x; {tried} resamples measured, multiplied by {resamples / tried:.0f}"
    )
    line("... scikit-learn's roc_curve on each resample", slow, note)


def bench_standard() -> None:
    def run() -> None:
        sample = one_target(15_000, 0.5)
        for metric in STANDARD:
            metric.estimate(sample)

    run()
    line("all standard metrics with intervals, 30,000 scores (drawing them included)", seconds(run, 15))


def main() -> None:
    print("| what | median, CPU s | min - max, CPU s | runs | |\n|---|---|---|---|---|")
    bench_threshold()
    bench_bootstrap()
    bench_standard()


if __name__ == "__main__":
    main()
