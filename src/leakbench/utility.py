"""What a defence does to utility, and what it costs."""

from collections.abc import Iterator

import numpy as np
from scipy.special import bdtrik, stdtrit

from .data.dataset import Dataset
from .metrics import Sample
from .metrics.clusters import clustered_variance, effective_size
from .metrics.intervals import clopper_pearson, difference_interval
from .results import Row
from .train.query import measure_latency
from .trial import Trial
from .types import Bools

LATENCY_BATCHES = (1, 1000)
LATENCY_REPEATS = 30


def utility(trial: Trial) -> Iterator[Row]:
    """Accuracy of the T targets on the test part and on their members, and the gap to their non-members.

    Shadow models are left out: in the design `single` they trained on parts of the test part. Intervals treat
    models and records as clusters: the same test records judge every model.
    """
    label, targets, right = trial.defence.label, list(trial.split.targets), trial.test_correct
    yield _rate("accuracy", label, right, np.ones_like(right))
    members = trial.split.members[targets]
    correct = trial.released.signals.statistic("correct")[targets, 0] > 0.5  # [T, N]
    yield _rate("train_accuracy", label, correct, members)
    yield _gap(label, correct, members, trial.split.audited[targets])


def accuracy_difference(trial: Trial, other: Trial) -> Row:
    """Accuracy minus that of another defence, on the same test records by models with the same members."""
    change = trial.test_correct.astype(np.float64) - other.test_correct  # [T, Z]
    model, record = np.indices(change.shape).reshape(2, -1)
    value = float(change.mean())
    spread = clustered_variance((change.ravel() - value) / change.size, model, record)
    half = float(stdtrit(spread.df, 0.975)) * spread.variance**0.5
    label, against = trial.defence.label, other.defence.label
    return Row("accuracy_difference", value, value - half, value + half, defence=label, against=against)


def cost(trial: Trial, baseline: Trial, dataset: Dataset) -> Iterator[Row]:
    """Training seconds of a model, their ratio to no defence, and the latency of an answer, output map included."""
    label, own, base = trial.defence.label, _train_seconds(trial), _train_seconds(baseline)
    how = {"seconds": "epochs run x median time of an epoch, with the interval of that median"}
    yield Row("train_seconds", *own, defence=label, unit="s", detail=how)
    ratio = (1.0, 1.0, 1.0) if trial.recipe == baseline.recipe else _ratio(own, base)
    yield Row("train_cost_ratio", *ratio, defence=label, unit="x")
    weights = trial.answers.entries[0].tensors("weights.safetensors")
    released = trial.defence.release(trial.owner)
    for size in LATENCY_BATCHES:
        seconds = measure_latency(
            dataset.x,
            len(dataset.classes),
            trial.recipe.architecture,
            weights,
            size,
            LATENCY_REPEATS,
            output=released,
        )
        middle, low, high = np.percentile(1e3 * seconds, [50, 5, 95])
        about = {"repeats": len(seconds), "interval": "5th to 95th percentile of the calls"}
        yield Row(
            f"latency_batch_{size}",
            float(middle),
            float(low),
            float(high),
            defence=label,
            unit="ms",
            detail=about,
        )


def _train_seconds(trial: Trial) -> tuple[float, float, float]:
    """Mean seconds to train one model, with limits: over stages, epochs run x the median time of an epoch.

    Stages that do not train, such as making synthetic records, take their median over the models. The median is
    not moved by the first epoch, which warms up, nor by a moment in which the machine was busy. Its 95 % limits are
    order statistics (Conover 1999, section 3.2); fewer than six epochs cannot give 95 %, and their limits are the
    extremes.
    """
    total = np.zeros(3)
    for logs in zip(*(entry.meta["stages"] for entry in trial.answers.entries), strict=True):  # one a model
        times = np.unique(np.concatenate([log.get("epoch_seconds", [log["seconds"]]) for log in logs]))
        epochs = np.mean([log.get("epochs", 1) for log in logs])  # a stack shares one time
        low = int(max(0, bdtrik(0.025, times.size, 0.5)))
        total += epochs * np.array([np.median(times), times[low], times[times.size - 1 - low]])
    return float(total[0]), float(total[1]), float(total[2])


def _ratio(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    """a / b, from the lower limit over the upper one to the upper over the lower."""
    return a[0] / b[0], a[1] / b[2], a[2] / b[1]


def _rate(metric: str, defence: str, hit: Bools, counted: Bools) -> Row:
    """A share of hits [M, N] where `counted`, with its interval clustered by model and record."""
    model, record = np.nonzero(counted)
    hits = hit[counted]
    n = effective_size(hits, model, record)
    value = float(hits.mean())
    return Row(metric, value, *clopper_pearson(n * value, n), defence=defence, detail={"n": hits.size})


def _gap(defence: str, correct: Bools, members: Bools, audited: Bools) -> Row:
    """Accuracy on members minus accuracy on non-members, as TPR - FPR of "correct, so a member" [T, N]."""
    model, record = np.nonzero(audited)
    called, nowhere = correct[audited], np.zeros(len(model), dtype=bool)
    sample = Sample(called.astype(np.float64), members[audited], model, record, select=nowhere)
    rates = difference_interval(sample, called)
    return Row("generalisation_gap", rates.difference, rates.lo, rates.hi, defence=defence)
