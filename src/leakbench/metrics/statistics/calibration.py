"""Means over records and models with their intervals, and how far confidence is from accuracy."""

from typing import NamedTuple

import numpy as np

from ...signals.types import Array, Bools
from .clusters import clustered_variance

BINS = 15  # Guo et al. 2017


class Mean(NamedTuple):
    """A mean and the limits of its interval."""

    value: float
    lo: float
    hi: float


class Calibration(NamedTuple):
    """The expected calibration error, its interval, and what it would be for calibrated models."""

    error: float
    lo: float
    hi: float
    floor: float


def clustered_mean(values: Array, level: float = 0.95) -> Mean:
    """The mean of values [T, Z] and its t interval; those of a model, and of a record, depend on each other."""
    mean = float(values.mean())
    model, record = np.indices(values.shape).reshape(2, -1)
    half = clustered_variance((values.ravel() - mean) / values.size, model, record).half_width(level)
    return Mean(mean, mean - half, mean + half)


def calibration(confidence: Array, right: Bools, level: float = 0.95) -> Calibration:
    r"""The distance of the confidence of T models in Z predictions from their accuracy; a mean over models.

    Formula: ECE = mean_t sum_b n_b/Z |mean_b confidence - mean_b right|, 15 bins of equal width, ( (b-1)/15, b/15 ].
        It is the mean of s (confidence - right) with s the sign of the prediction's bin, whose interval respects models
        and records. Noise makes an absolute value larger, most where there is nothing else: calibrated models have
        E[ECE] = floor = mean_t sum_b m(V_b)/Z, V_b = sum_b confidence (1 - confidence), m(V) = min(sqrt(2 V/pi), 2 V),
        a normal sum's mean distance from its mean, and for small V the bound that holds for any such sum. Nothing
        is subtracted from the value, which stays Guo et al.'s; the lower limit is lowered by the floor.
    Shapes:  confidence, right [T, Z]: the largest probability, and whether its class is the label
    Source:  Guo et al. 2017, section 2, arXiv 1706.04599
    """
    models, records = confidence.shape
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    cell = (np.arange(models)[:, None] * BINS + bins).ravel()
    excess = (confidence - right).ravel()
    signed = excess * np.sign(np.bincount(cell, excess, models * BINS))[cell]
    mean = clustered_mean(signed.reshape(models, records), level)
    noise = np.bincount(cell, (confidence * (1 - confidence)).ravel(), models * BINS)
    floor = float(np.minimum(np.sqrt(2 * noise / np.pi), 2 * noise).sum() / confidence.size)
    return Calibration(mean.value, max(0.0, mean.lo - floor), min(1.0, mean.hi), floor)
