"""What the losses of a training run tell about its records, with no attack and no other model."""

import numpy as np

from ...core.errors import InputError
from ...signals.types import Array


def loss_trace_iqr(traces: Array) -> Array:
    r"""How much of its loss does each record lose in training? Records learned late, by heart, lose most.

    Formula: LT-IQR_n = q75(l_1n .. l_En) - q25(l_1n .. l_En), over the losses of record n in each epoch; the
        quantiles interpolate linearly between epochs. NaN is an epoch that the record sat out: it does not count.
    Shapes:  traces [E, n], nats, the first epoch first -> [n]
    Source:  Pollock et al. 2025, arXiv 2411.05743

    Raises InputError unless the traces are [E epochs, n records], E at least 2, without infinity, and each record
    has a loss in some epoch.
    """
    traces = np.asarray(traces, dtype=np.float64)
    if traces.ndim != 2 or traces.shape[0] < 2 or traces.shape[1] < 1:
        raise InputError(
            f"traces must be [E epochs, n records] with E at least 2, got shape {traces.shape};"
            " keep the loss of every member after every epoch"
        )
    absent = np.isnan(traces)
    if np.isinf(traces).any() or absent.all(axis=0).any():
        raise InputError("traces must be finite, got infinity or only NaN; a training run has diverged")
    low, high = np.quantile(traces, [0.25, 0.75], axis=0)
    out = np.asarray(high - low)
    for n in np.flatnonzero(absent.any(axis=0)):
        out[n] = np.subtract(*np.nanquantile(traces[:, n], [0.75, 0.25]))
    return out
