"""What the losses of a training run tell about its records, with no attack and no other model."""

import numpy as np

from ..errors import InputError
from ..types import Array


def loss_trace_iqr(traces: Array) -> Array:
    r"""How much of its loss does each record lose in training? Records learned late, by heart, lose most.

    Formula: LT-IQR_n = q75(l_1n .. l_En) - q25(l_1n .. l_En), over the losses of record n after each epoch; the
        quantiles interpolate linearly between epochs.
    Shapes:  traces [E, n], nats, the first epoch first -> [n]
    Source:  Pollock et al. 2025, arXiv 2411.05743

    Raises InputError unless the traces are [E epochs, n records], E at least 2, and finite.
    """
    traces = np.asarray(traces, dtype=np.float64)
    if traces.ndim != 2 or traces.shape[0] < 2 or traces.shape[1] < 1:
        raise InputError(
            f"traces must be [E epochs, n records] with E at least 2, got shape {traces.shape};"
            " keep the loss of every member after every epoch"
        )
    if not np.isfinite(traces).all():
        raise InputError("traces must be finite, got NaN or infinity; a training run has diverged")
    low, high = np.quantile(traces, [0.25, 0.75], axis=0)
    return np.asarray(high - low)
