"""Print what `stacked` finds beside other attacks, or without a group of its features.

Run: python docs/design/stacked.py table STORE STUDY.toml DEFENCE MODELS   such as studies/mnist-5k.toml none 8
     python docs/design/stacked.py ablation STORE STUDY.toml DEFENCE MODELS
"""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from defaults import METRICS_SHOWN, first

from leakbench.attacks import ATTACKS, Attack
from leakbench.attacks.base import Scorer
from leakbench.attacks.stacked import Stacked
from leakbench.core.progress import NullProgress
from leakbench.evaluation.measure import Case, attack_all
from leakbench.metrics import METRICS
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import checked_recipes, open_trainer, query_models, train_all
from leakbench.pipeline.study import Study
from leakbench.signals.types import Array, Bools

BASE, LEVEL = 2, 7  # columns of BASE, and of the means, variances and z-scores of phi
ROWS = (
    "phi",
    "phi by class",
    "margin",
    "entropy",
    "modified entropy",
    "first",
    "second",
    "third",
    "runner-up",
)
GROUPS = {
    "BASE": lambda kind, row: kind == "base",
    "means, variances, z-scores of phi": lambda kind, row: kind == "level",
    "phi": lambda kind, row: row == "phi",
    "phi by class": lambda kind, row: row == "phi by class",
    "margin": lambda kind, row: row == "margin",
    "entropies": lambda kind, row: "entropy" in row,
    "largest log-probabilities, runner-up": lambda kind, row: row in ROWS[5:],
    "all but phi and BASE": lambda kind, row: row in ROWS[1:],
    "likelihood ratios": lambda kind, row: kind in ("ratio", "pooled ratio"),
    "differences from the OUT mean": lambda kind, row: kind == "difference",
    "values": lambda kind, row: kind == "value",
}  # what an ablation leaves out
COLUMNS = [("base", "")] * BASE + [("level", "")] * LEVEL
COLUMNS += [(kind, row) for kind in ("ratio", "pooled ratio", "difference", "value") for row in ROWS]


@dataclass(frozen=True)
class Without(Stacked):
    """The attack without a group of its features."""

    group: str = ""

    def __post_init__(self) -> None:
        """The attack's own parameters are its defaults."""

    def fit(self, examples: Array, members: Bools, rng: np.random.Generator) -> Scorer:
        """As the attack does, on the columns that are left."""
        assert examples.shape[1] == len(COLUMNS), "one view, more than two classes"
        kept = np.array([not GROUPS[self.group](*column) for column in COLUMNS])
        scorer = super().fit(examples[:, kept], members, rng)
        return lambda features: scorer(features[:, kept])


def found(attack: Attack, case: Case) -> dict[str, tuple[float, float, float]]:
    """The metrics with their intervals, or nothing where the attack cannot run."""
    sample = attack_all(case, {"it": attack}, 0).samples.get("it")
    if sample is None:
        return {}
    estimates = [METRICS.make(metric).estimate(sample) for metric in METRICS_SHOWN]
    return {str(m): (e.value, e.lo, e.hi) for m, e in zip(METRICS_SHOWN, estimates, strict=True)}  # type: ignore[misc]


def cells(values: Mapping[str, tuple[float, float, float]]) -> str:
    """The cells of a row."""
    return " | ".join("{:.3f} [{:.3f}, {:.3f}]".format(*v) for v in values.values())


def table(case: Case) -> Iterator[str]:
    """The strongest attacks of the standard suite, and `stacked` with its seconds of CPU time."""
    for name in ("base", "rmia", "lira", "stacked"):
        began = time.process_time()
        row = cells(found(ATTACKS.make(name), case))
        yield f"{name} | {row} | {(time.process_time() - began) / len(case.targets):.2f}"


def ablation(case: Case) -> Iterator[str]:
    """`stacked`, and without each group of features."""
    yield f"all | {cells(found(ATTACKS.make('stacked'), case))}"
    for group in GROUPS:
        yield f"without {group} | {cells(found(Without(group=group), case))}"


def case(study: Study, store: str, defence: str, models: int) -> Case:
    """The first models of a defence."""
    trainer = open_trainer(study, store)
    left = train_all(trainer, checked_recipes(study, trainer.dataset), NullProgress())
    all_defended = query_models(study, Querier(left.trainer), left.recipes, NullProgress())
    known = next(defended.known() for defended in all_defended if defended.defence.label == defence)
    return Case(defence, first(known, models), range(models))


if __name__ == "__main__":
    study = Study.load(sys.argv[3])
    attacked = case(study, sys.argv[2], sys.argv[4], int(sys.argv[5]))
    for line in {"table": table, "ablation": ablation}[sys.argv[1]](attacked):
        print(f"| {study.file.title} | {attacked.defence} | {sys.argv[5]} | {line} |", flush=True)
