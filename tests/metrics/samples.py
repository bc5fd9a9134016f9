"""Random samples of every shape that a metric meets."""

import numpy as np

from leakbench.metrics import Sample


def make_sample(
    seed: int, n1: int = 300, n0: int = 500, d: float = 1.0, step: float = 0.0, targets: int = 1
) -> Sample:
    """One target with n1 members and n0 non-members; or, for several, n1 + n0 records in pairs of half models."""
    rng = np.random.default_rng(seed)
    if targets == 1:
        members = rng.permutation(np.arange(n1 + n0) < n1)[None]
    else:
        first = [rng.permutation(np.arange(n1 + n0) % 2 == 0) for _ in range(targets // 2)]
        members = np.concatenate([np.stack([z, ~z]) for z in first])
    scores = d * members + rng.standard_normal(members.shape)
    if step:
        scores = np.round(scores / step) * step
    model, record = np.indices(members.shape)
    select = (np.arange(members.size) % 2 == 0) if targets == 1 else (model % 4 < 2).ravel()
    decided = scores >= d / 2
    return Sample(scores.ravel(), members.ravel(), model.ravel(), record.ravel(), select, decided.ravel())
