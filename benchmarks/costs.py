"""What each attack takes for a target: 16 models in pairs, 5,000 records, ten classes, 72 perturbed views.

Statistics that attacks share are computed beforehand, as they are for all targets but the first. CPU seconds of
one thread.
"""

import time
from collections.abc import Iterator
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from leakbench.attacks import ATTACKS, Attack
from leakbench.evaluation.scoring import shadow_models
from leakbench.signals.models import Models
from leakbench.signals.types import Signals

MODELS, RECORDS, CLASSES, POPULATION, REPEATS = 16, 5_000, 10, 2_000, 5
VIEWS = tuple(f"noise:{radius}" for radius in (0.2, 0.4, 0.8) for _ in range(24))
NAMES = (
    "lira",
    "lira_calibrated",
    "rmia",
    "base",
    "bavaria",
    "pmia",
    "label_only_count",
    "label_only_logistic",
    "label_only_boosted",
    "stacked",
)


def lines() -> Iterator[str]:
    """One row per attack."""
    yield "| attack | a target, CPU s, median of 5 (least to largest) |"
    yield "|---|---|"
    models = world(np.random.default_rng(0))
    with threadpool_limits(1):
        for name in NAMES:
            _, *rest = (seconds(ATTACKS.make(name), models, m) for m in range(REPEATS + 1))
            times = sorted(rest)  # the first one computes what all share
            yield f"| `{name}` | {median(times):.3g} ({times[0]:.3g} to {times[-1]:.3g}) |"


def world(rng: np.random.Generator) -> Models:
    """Models in pairs that leak a little, and a population that none of them trained on."""
    half = rng.random((MODELS // 2, RECORDS)) < 0.5
    members = np.stack([half, ~half], axis=1).reshape(MODELS, RECORDS)
    signals = predictions(rng, members)
    nobody = np.zeros((MODELS, POPULATION), dtype=bool)
    return Models(signals, members, np.ones_like(members), Models(predictions(rng, nobody), nobody, ~nobody))


def predictions(rng: np.random.Generator, members: np.ndarray) -> Signals:
    """Logits of one view, and the classes predicted in the perturbed ones."""
    n = members.shape[1]
    y = rng.integers(CLASSES, size=n)
    logits = rng.normal(size=(MODELS, 1, n, CLASSES))
    logits[:, 0, np.arange(n), y] += 2 + members
    right = rng.random((MODELS, len(VIEWS), n)) < 0.7 + 0.1 * members[:, None]
    predicted = np.where(right, y, (y + 1) % CLASSES).astype(np.uint8)
    return Signals(y, logits, predicted=predicted, views=("identity", *VIEWS))


def seconds(attack: Attack, models: Models, m: int) -> float:
    """CPU seconds of one target."""
    shadows = shadow_models(models, models, m)
    began = time.process_time()
    attack.score(models.target(m), shadows, np.random.default_rng(m))
    return time.process_time() - began
