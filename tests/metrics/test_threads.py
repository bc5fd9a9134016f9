"""Intervals do not depend on how many threads there are."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from leakbench.core.seeds import stream
from leakbench.metrics.statistics.calibration import clustered_mean
from leakbench.metrics.statistics.clusters import clustered_variance

MODELS, RECORDS = 8, 30_011


@pytest.mark.parametrize("seed", range(5))
def test_variances_are_the_same_bits_in_one_thread_and_in_several(seed: int) -> None:
    """A product of two long vectors is summed in parts, one a thread; a sum is not."""
    values = stream(seed, "threads").normal(size=(MODELS, RECORDS))
    model, record = (ids.ravel() for ids in np.indices(values.shape))
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            found.append((clustered_variance(values.ravel(), model, record), clustered_mean(values)))
    assert found[0] == found[1] == found[2]
