"""The utility and the cost of a defence."""

from collections.abc import Iterator

import numpy as np
from scipy.special import bdtrik

from ..core.results import Row
from ..data.dataset import Dataset
from ..evaluation.accuracy import generalisation_gap, rate
from ..metrics.statistics.calibration import BINS, calibration, clustered_mean
from ..signals.statistics import log_softmax
from ..signals.types import Array, Bools
from ..train.query import Call, interleaved, latency_call
from ..train.recipe import CodeRecipe, Generate
from .defended_models import DefendedModels

LATENCY_BATCHES = (1, 1024)
LATENCY_REPEATS = 30


def utility(defended: DefendedModels) -> Iterator[Row]:
    """The accuracy and calibration of the T targets on the test part, and the generalisation gap.

    Shadow models are left out, because in the design `single` they trained on parts of the test part. Canaries are left
    out, because the test part has none. Intervals treat models and records as clusters, because every model is tested
    on the same records.
    """
    label, targets, right = defended.defence.label, list(defended.split.targets), defended.test_correct
    yield rate("accuracy", label, right, np.ones_like(right))
    yield from _quality(defended, right)
    yield _label_changes(defended)
    members, signals = defended.split.members[targets], defended.released().signals
    correct = np.stack([signals.statistic("correct", m)[0] > 0.5 for m in targets])  # [T, N]
    yield rate("train_accuracy", label, correct, members & defended.average)
    yield generalisation_gap(label, correct, members, defended.split.audited[targets] & defended.average)


def accuracy_difference(defended: DefendedModels, other: DefendedModels) -> Row:
    """Accuracy minus that of another defence, on the same test records by models with the same members."""
    change = clustered_mean(defended.test_correct.astype(np.float64) - other.test_correct)  # [T, Z]
    label, against = defended.defence.label, other.defence.label
    return Row("accuracy_difference", *change, defence=label, against=against)


def _quality(defended: DefendedModels, right: Bools) -> Iterator[Row]:
    """The negative log-likelihood of the labels, in nats, and the calibration of the released probabilities."""
    label, y = defended.defence.label, defended.dataset.y[defended.test]
    confidence, likelihood = np.empty(right.shape), np.empty(right.shape)  # [T, Z]
    for t, m in enumerate(defended.split.targets):
        log_p = log_softmax(defended.test_logits(m))
        confidence[t] = np.exp(log_p.max(axis=-1))
        likelihood[t] = log_p[np.arange(len(y)), y]
    value, lo, hi = clustered_mean(-likelihood)
    yield Row("nll", value, max(0.0, lo), hi, defence=label, unit="nats")
    found = calibration(confidence, right)
    about = {"bins": BINS, "if_calibrated": found.floor, "limits": "the lower one lowered by if_calibrated"}
    yield Row("calibration_error", found.error, found.lo, found.hi, defence=label, detail=about)
    yield Row("calibration_error_floor", found.floor, defence=label)


def _label_changes(defended: DefendedModels) -> Row:
    """The share of predictions on the test part that the output transform changes."""
    if not defended.defence.changes_output:
        return Row("label_changes", 0.0, 0.0, 0.0, defence=defended.defence.label)
    n = len(defended.split.records)
    changed = np.stack(
        [
            defended.stored.logits[m][0, n:].argmax(axis=-1) != defended.test_logits(m).argmax(axis=-1)
            for m in defended.split.targets
        ]
    )
    return rate("label_changes", defended.defence.label, changed, np.ones_like(changed))


def cost(defended: DefendedModels, baseline: DefendedModels, dataset: Dataset) -> Iterator[Row]:
    """The cost of training in seconds and in further records, and the latency of networks with transform."""
    label, own, base = defended.defence.label, _train_seconds(defended), _train_seconds(baseline)
    how = {"seconds": "epochs run x median time of an epoch, with the interval of that median"}
    yield Row("train_seconds", *own, defence=label, unit="s", detail=how)
    ratio = (1.0, 1.0, 1.0) if defended.recipe == baseline.recipe else _ratio(own, base)
    yield Row("train_cost_ratio", *ratio, defence=label, unit="x")
    yield _extra_data(defended)
    if isinstance(defended.recipe, CodeRecipe):  # whose models are not kept
        return
    for size in LATENCY_BATCHES:
        yield from _latency(defended, baseline, dataset, size)


def _extra_data(defended: DefendedModels) -> Row:
    """The ratio of further records to members, a mean over the models.

    Further records are those that generators made, the public part if a stage or the output transform uses it, and the
    dev records if early stopping or an adversary uses them.
    """
    split, recipe = defended.split, defended.recipe
    extra = np.zeros(len(split.sizes))  # [M]
    for stage in recipe.stages:
        if isinstance(stage, Generate):
            extra += np.maximum(1, np.round(stage.size * split.sizes))
    if recipe.needs_public or defended.defence.needs_public:
        extra += len(defended.dataset.parts["public"])
    if recipe.needs_dev:
        extra += [len(dev) for dev in split.dev]
    return Row(
        "extra_data_ratio", float((extra / split.sizes).mean()), defence=defended.defence.label, unit="x"
    )


def _latency(
    defended: DefendedModels, baseline: DefendedModels, dataset: Dataset, size: int
) -> Iterator[Row]:
    """The latency of a query with `size` records, and its ratio to that of no defence.

    Both are called in turns, and each ratio is of two adjacent calls, so that other load slows both. The ratio is the
    median of these; its 95 % limits are order statistics.
    """
    label = defended.defence.label
    pair = [_latency_call(each, dataset, size) for each in (defended, baseline)]
    own, base = interleaved(pair, LATENCY_REPEATS)
    middle, low, high = np.percentile(1e3 * own, [50, 5, 95])
    about = {"repeats": own.size, "interval": "5th to 95th percentile of the calls"}
    limits = (float(middle), float(low), float(high))
    yield Row(f"latency_batch_{size}", *limits, defence=label, unit="ms", detail=about)
    ratio = (1.0, 1.0, 1.0) if defended is baseline else _median(own / base)
    about = {"repeats": own.size, "ratio": "median over pairs of calls in turns"}
    yield Row(f"latency_ratio_batch_{size}", *ratio, defence=label, unit="x", detail=about)


def _latency_call(defended: DefendedModels, dataset: Dataset, size: int) -> Call:
    """A function that queries the first model of a defence with `size` records."""
    weights = defended.stored.entries[0].tensors("weights.safetensors")
    architecture, classes = defended.recipe.architecture, len(dataset.classes)
    return latency_call(dataset.x, classes, architecture, weights, size, defended.output)


def _train_seconds(defended: DefendedModels) -> tuple[float, float, float]:
    """Mean seconds to train one model, with limits: over stages, epochs run x the median time of an epoch.

    Stages that do not train, such as making synthetic records, take their median over the models. The median is
    not moved by the first epoch, which warms up, nor by a moment in which the machine was busy. Fewer than six
    epochs cannot give 95 %, and their limits are the extremes.
    """
    total = np.zeros(3)
    for logs in zip(*(entry.meta["stages"] for entry in defended.stored.entries), strict=True):  # one a model
        times = np.unique(np.concatenate([log.get("epoch_seconds", [log["seconds"]]) for log in logs]))
        epochs = np.mean([log.get("epochs", 1) for log in logs])  # a stack shares one time
        total += epochs * np.array(_median(times))
    return float(total[0]), float(total[1]), float(total[2])


def _median(values: Array) -> tuple[float, float, float]:
    """The median with its 95 % limits, which are order statistics (Conover 1999, section 3.2)."""
    ordered = np.sort(values)
    low = int(max(0, bdtrik(0.025, ordered.size, 0.5)))
    return float(np.median(ordered)), float(ordered[low]), float(ordered[ordered.size - 1 - low])


def _ratio(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    """a / b, from the lower limit over the upper one to the upper over the lower."""
    return a[0] / b[0], a[1] / b[2], a[2] / b[1]
