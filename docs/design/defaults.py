"""Print what LiRA and RMIA find under other parameters: the measurement behind their defaults.

Run: python docs/design/defaults.py STORE STUDY.toml [KEY=VALUE ...]   such as studies/mnist-5k.toml design.models=64
"""

import sys
from collections.abc import Iterator
from dataclasses import replace

from leakbench.attacks import ATTACKS
from leakbench.core.progress import NullProgress
from leakbench.evaluation.measure import Case, attack_all
from leakbench.metrics import METRICS
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import checked_recipes, open_trainer, query_models, train_all
from leakbench.pipeline.study import Study
from leakbench.signals.models import Models
from leakbench.signals.types import PerModel

MODELS = (8, 16, 32, 64)
VARIANTS = (
    *({"name": "lira", "variance": kind} for kind in ("auto", "example")),
    *({"name": "lira", "variance": "shrunken", "prior_models": k} for k in (4.0, 8.0, 16.0)),
    *({"name": "lira_offline", "variance": kind} for kind in ("auto", "shrunken")),
    {"name": "bavaria"},
    *({"name": "pmia", "proxies": kind} for kind in ("nearest", "all", "class")),
    *({"name": name, "gamma": gamma} for name in ("rmia", "rmia_offline") for gamma in (1.0, 1.5, 2.0, 4.0)),
)
METRICS_SHOWN = ("auc", {"name": "tpr", "fpr": 0.01}, {"name": "tpr", "fpr": 0.001})


def first(models: Models, m: int) -> Models:
    """The first m models, in whole pairs, and their outputs on the population."""
    logits = models.signals.logits
    assert isinstance(logits, PerModel)
    cut = replace(models.signals, logits=PerModel((m, *logits.shape[1:]), logits.load, logits.dtype))
    population = None if models.population is None else first(models.population, m)
    return Models(cut, models.members[:m], models.audited[:m], population)


def lines(study: Study, store: str) -> Iterator[str]:
    """A line of a table for each defence, number of models and variant."""
    trainer = open_trainer(study, store)
    left = train_all(trainer, checked_recipes(study, trainer.dataset), NullProgress())
    for defended in query_models(study, Querier(left.trainer), left.recipes, NullProgress()):
        known = defended.known()
        for m in (m for m in MODELS if m <= len(known.members)):
            attacks = {label(variant): ATTACKS.make(variant) for variant in VARIANTS}
            attacked = attack_all(Case(defended.defence.label, first(known, m), range(m)), attacks, 0)
            for name, sample in attacked.samples.items():
                found = [METRICS.make(metric).estimate(sample) for metric in METRICS_SHOWN]
                cells = [f"{e.value:.3f} [{e.lo:.3f}, {e.hi:.3f}]" for e in found]
                yield f"| {study.file.title} | {defended.defence.label} | {m} | {name} | {' | '.join(cells)} |"


def label(variant: dict[str, object]) -> str:
    """The name and the values of a variant."""
    return " ".join(map(str, variant.values()))


if __name__ == "__main__":
    for line in lines(Study.load(sys.argv[2], sys.argv[3:]), sys.argv[1]):
        print(line, flush=True)
