"""What a model of the user's released, as logits: probabilities, decision values or predicted classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...signals.resolution import ZERO
from ...signals.statistics import LOG_FLOOR, log_softmax

Classes = NDArray[Any]  # [C] distinct labels, ascending
PROBABILITIES, LOGITS, LABELS = "probabilities", "logits", "labels"
READ_AS = {
    LOGITS: "the models release values that are no probabilities; these were read as logits",
    LABELS: "the models release predicted classes alone, so most attacks see no more than whether a class is right",
}
TOLERANCE = 0.02  # by which rounding may take a probability out of 0..1, or the sum of a row from 1


@dataclass(frozen=True, eq=False)
class Outputs:
    """The outputs of one model on all records; minus infinity is a probability of 0."""

    logits: NDArray[np.float32]  # [N, C]
    kind: str  # what the model released: PROBABILITIES, LOGITS or LABELS
    warnings: tuple[str, ...] = ()  # what its training warned of

    def meta(self) -> dict[str, Any]:
        """What is kept beside the logits."""
        return {"kind": self.kind, "warnings": list(self.warnings)}

    def finite(self) -> NDArray[np.float32]:
        """The logits with `LOG_FLOOR`, read as a zero, for a probability of 0: output transforms need numbers."""
        top = self.logits.max(axis=1, keepdims=True) if self.kind == LOGITS else np.float32(0.0)
        return np.where(np.isneginf(self.logits), top + np.float32(LOG_FLOOR), self.logits)


def of_estimator(model: Any, x: Any, classes: Classes) -> Outputs:
    """The outputs of a fitted scikit-learn classifier: `predict_proba`, else `decision_function`, else `predict`.

    A class that the model was not trained on has probability 0. Raises InputError for outputs of another shape.
    """
    if hasattr(model, "predict_proba"):
        log_p = _logs(_numbers(model.predict_proba(x), "predict_proba"))
        return Outputs(_in_order(log_p, model, classes), PROBABILITIES)
    if hasattr(model, "decision_function"):
        values = _numbers(model.decision_function(x), "decision_function")
        columns = np.column_stack([np.zeros(len(values)), values]) if values.ndim == 1 else values
        return Outputs(_in_order(columns, model, classes), LOGITS)
    return Outputs(_one_hot(np.asarray(model.predict(x)), classes), LABELS)


def of_function(values: Any, classes: Classes) -> Outputs:
    """What a function `predict` returned: probabilities or logits [N, C], or predicted labels [N].

    Rows of 0..1 that sum to 1 are probabilities; rows that leave 0..1 are logits. There is one column for each distinct
    label in ascending order; where labels are whole numbers, there may also be a column for every number from 0. Raises
    InputError otherwise.
    """
    array = np.asarray(values)
    if array.ndim == 1 and array.dtype.kind in "biuU" and np.isin(array, classes).all():
        return Outputs(_one_hot(array, classes), LABELS)
    numbers = _numbers(values, "predict")
    by_number = classes.dtype.kind in "iu" and classes[0] >= 0 and numbers.shape[-1] > classes[-1]
    if numbers.ndim != 2 or not (numbers.shape[1] == len(classes) or by_number):
        column = "; for one probability p of the second class return np.column_stack([1 - p, p])"
        raise InputError(
            f"predict must return [n records, {len(classes)} classes] with the classes in ascending order, "
            f"{_some(classes)}, got shape {numbers.shape}{column if numbers.ndim == 1 else ''}"
        )
    if numbers.min() < -TOLERANCE or numbers.max() > 1 + TOLERANCE:
        return Outputs(numbers.astype(np.float32), LOGITS)
    sums = numbers.sum(axis=1)
    worst = float(sums[np.abs(sums - 1).argmax()])
    if abs(worst - 1) > TOLERANCE:
        raise InputError(
            f"predict must return probabilities that sum to 1, or logits, got values in 0..1 of which a row sums to "
            f"{worst:.3g}; return what the softmax makes of the logits, or its logarithm"
        )
    return Outputs(_logs(numbers), PROBABILITIES)


def mean_of(several: Sequence[Outputs]) -> Outputs:
    """The mean of the probabilities of several models."""
    p = np.mean([np.exp(log_softmax(each.logits.astype(np.float64))) for each in several], axis=0)
    p[p <= ZERO * (1 + TOLERANCE)] = 0.0  # what every model gave as 0
    return Outputs(_logs(p), PROBABILITIES)


def training_notes(several: Sequence[Outputs]) -> list[str]:
    """How the outputs of models were read, and what their training warned of."""
    kinds = {each.kind for each in several}
    warned = Counter(text for each in several for text in each.warnings)
    told = f"of {len(several)} models warned when they were trained"
    return [READ_AS[kind] for kind in sorted(kinds & READ_AS.keys())] + [
        f"{times} {told}: {text}" for text, times in warned.items()
    ]


def _numbers(values: Any, name: str) -> NDArray[np.float64]:
    if isinstance(values, list):
        raise InputError(
            f"{name} must return one array, got a list of {len(values)}; train one model for each label"
        )
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    array: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if np.isnan(array).any() or np.isposinf(array).any():
        bad = int((np.isnan(array) | np.isposinf(array)).sum())
        raise InputError(f"{name} must return finite numbers, got {bad} NaN or infinite of {array.size}")
    return array


def _logs(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.maximum(probabilities, 0.0)), dtype=np.float32)


def _in_order(own: NDArray[Any], model: Any, classes: Classes) -> NDArray[np.float32]:
    """Columns of the model's own classes as columns of all classes."""
    names = np.asarray(getattr(model, "classes_", classes))
    places = np.searchsorted(classes, names)
    known = len(names) == own.shape[-1] and np.isin(names, classes).all()
    if own.ndim != 2 or not known:
        raise InputError(
            f"the outputs must have one column for each of the model's classes, {_some(names)}, got shape {own.shape}; "
            "for a one-against-one SVC set decision_function_shape='ovr'"
        )
    logits = np.full((len(own), len(classes)), -np.inf, dtype=np.float32)
    logits[:, places] = own
    return logits


def _one_hot(predicted: NDArray[Any], classes: Classes) -> NDArray[np.float32]:
    predicted = predicted.reshape(len(predicted), -1)[:, 0]
    if not np.isin(predicted, classes).all():
        raise InputError(f"predict must return labels, {_some(classes)}, got others; give a classifier")
    return _logs((predicted[:, None] == classes).astype(np.float64))


def _some(classes: Classes) -> str:
    return ", ".join(map(str, classes[:5])) + (", ..." if len(classes) > 5 else "")
