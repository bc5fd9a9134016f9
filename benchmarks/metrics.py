"""Metrics against the slow forms in use elsewhere, on the same arrays; CPU seconds of one thread."""

import itertools
import time
from collections.abc import Iterator

import numpy as np
from ratios import Ratio, in_turns
from sklearn.metrics import roc_curve

from leakbench.core.seeds import stream
from leakbench.metrics import Sample
from leakbench.metrics.statistics.bootstrap import Presorted, draws, resample
from leakbench.metrics.statistics.roc import best_threshold

PART = "Metrics"


def ratios() -> Iterator[Ratio]:
    """The best threshold by one sort, and a bootstrap of a ROC that sorts once."""
    yield threshold()
    yield bootstrap()


def one_target(n: int, d: float) -> Sample:
    """n members and n non-members, whose scores are d standard deviations apart."""
    rng = stream(0, "bench", n)
    members = np.arange(2 * n) < n
    scores = rng.standard_normal(2 * n) + d * members
    half = rng.random(2 * n) < 0.5
    return Sample(scores, members, np.zeros(2 * n, dtype=int), np.arange(2 * n), half, scores > 0)


def quadratic_threshold(scores: np.ndarray, members: np.ndarray) -> float:
    """Every score tried as the threshold, with two full scans each: the loop that published attack code shares."""
    inside, outside = scores[members], scores[~members]
    best, threshold = 0.0, 0.0
    for t in scores:
        accuracy = 0.5 * ((inside >= t).mean() + (outside < t).mean())
        if accuracy > best:
            best, threshold = accuracy, t
    return threshold


def threshold() -> Ratio:
    """25,000 scores a side."""
    sample = one_target(25_000, 0.5)
    s, m = sample.scores, sample.members
    assert best_threshold(s, m) == quadratic_threshold(s, m)
    times = in_turns(
        lambda: best_threshold(s, m), lambda: quadratic_threshold(s, m), 15, others=3, clock=time.process_time
    )
    return Ratio(PART, "best threshold of 50,000 scores: one sort / a scan for each", *times)


def bootstrap(resamples: int = 1000, tried: int = 10) -> Ratio:
    """1,000 resamples of 100,000 scores."""
    sample = one_target(50_000, 0.5)
    s, m, grid = sample.scores, sample.members, np.geomspace(1e-5, 1, 100)
    presorted = Presorted(sample)
    weights = list(itertools.islice(draws(sample, stream(1)), tried))

    def resorted() -> None:
        for w in weights:
            index = np.repeat(np.arange(s.size), w)
            fpr, tpr, _ = roc_curve(m[index], s[index], drop_intermediate=False)
            within = np.searchsorted(fpr, grid * (1 + 1e-12), side="right") - 1
            np.testing.assert_allclose(tpr[within], presorted.tpr(w[None], grid)[0], atol=1e-9)

    times = in_turns(
        lambda: resample([sample], grid, resamples, 0),
        resorted,
        5,
        others=3,
        scale=resamples / tried,
        clock=time.process_time,
    )
    what = f"{resamples:,} resamples of a ROC of 100,000 scores: presorted / scikit-learn's roc_curve on each"
    return Ratio(PART, what, *times, f"{tried} of the others, x{resamples // tried}")
