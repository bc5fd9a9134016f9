"""What a defence does to utility, and what it costs."""

from collections.abc import Iterator

import numpy as np
from scipy.special import stdtrit

from .data.dataset import Dataset
from .metrics.clusters import effective_size
from .metrics.intervals import clopper_pearson
from .results import Row
from .train.query import measure_latency
from .trial import Trial
from .types import Array, Bools

LATENCY_BATCHES = (1, 1000)
LATENCY_REPEATS = 30


def utility(trial: Trial) -> Iterator[Row]:
    """Accuracy on the test part and on the members, and the gap between members and non-members.

    Intervals treat models and records as clusters: the same test records judge every model.
    """
    label, y = trial.defence.label, trial.dataset.y[trial.test]
    right = trial.test_logits.argmax(axis=-1) == y  # [M, Z]
    yield _rate("accuracy", label, right, np.ones_like(right))
    signals, members = trial.released.signals, trial.split.members
    correct = signals.statistic("correct")[:, 0] > 0.5  # [M, N]
    yield _rate("train_accuracy", label, correct, members)
    outside = ~members & trial.split.audited
    gap = np.array([c[i].mean() - c[o].mean() for c, i, o in zip(correct, members, outside, strict=True)])
    yield _mean("generalisation_gap", label, gap)


def cost(trial: Trial, baseline: Trial, dataset: Dataset) -> Iterator[Row]:
    """Training seconds of a model, its ratio to no defence, and the latency of an answer, output map included.

    Models are trained together and share their time, so the training time has no spread to make an interval of.
    """
    label, seconds = trial.defence.label, float(trial.answers.train_seconds.mean())
    yield Row("train_seconds", seconds, defence=label, unit="s")
    yield Row("train_cost_ratio", seconds / baseline.answers.train_seconds.mean(), defence=label, unit="x")
    weights = trial.answers.entries[0].tensors("weights.safetensors")
    for size in LATENCY_BATCHES:
        seconds = measure_latency(
            dataset.x, trial.recipe.architecture, weights, size, LATENCY_REPEATS, trial.defence.output
        )
        middle, low, high = np.percentile(1e3 * seconds, [50, 5, 95])
        about = {"repeats": LATENCY_REPEATS, "interval": "5th to 95th percentile of the calls"}
        yield Row(
            f"latency_batch_{size}",
            float(middle),
            float(low),
            float(high),
            defence=label,
            unit="ms",
            detail=about,
        )


def _rate(metric: str, defence: str, hit: Bools, counted: Bools) -> Row:
    """A share of hits [M, N] where `counted`, with its interval clustered by model and record."""
    model, record = np.nonzero(counted)
    hits = hit[counted]
    n = effective_size(hits, model, record)
    value = float(hits.mean())
    return Row(metric, value, *clopper_pearson(n * value, n), defence=defence, detail={"n": hits.size})


def _mean(metric: str, defence: str, values: Array) -> Row:
    """The mean over models with a t interval; a single model has none."""
    mean = float(values.mean())
    if len(values) < 2:
        return Row(metric, mean, defence=defence)
    half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)))
    return Row(metric, mean, mean - half, mean + half, defence=defence)
