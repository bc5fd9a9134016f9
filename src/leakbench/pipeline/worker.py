"""A worker process of a run: it makes and attacks whatever no other process has claimed."""

import platform
from pathlib import Path

from ..core.errors import LeakbenchError
from ..core.progress import NullProgress
from ..data.dataset import Dataset
from ..evaluation.findings import Findings
from .query import Querier
from .steps import attack_models, checked_recipes, open_trainer, query_models, train_all
from .study import Study


def work(
    study: Study, store: str | Path, identity: str | None = None, dataset: Dataset | None = None
) -> None:
    """Help runs of this study on this store, until every defence has been attacked.

    A run that sends this elsewhere hands over its `dataset`, and the `identity` of its store. Raises as `run` does, and
    LeakbenchError if the store here is another one.
    """
    trainer = open_trainer(study, store, dataset)
    if identity not in (None, trainer.store.identity):
        raise LeakbenchError(
            f"the store must be the one of the run, but {store} on {platform.node()} is another; "
            "give a folder that all machines see under the same path"
        )
    left = train_all(trainer, checked_recipes(study, trainer.dataset), NullProgress())
    all_defended = query_models(study, Querier(left.trainer), left.recipes, NullProgress())
    attack_models(study, all_defended, left.trainer, NullProgress(), _discard)


def _discard(found: list[Findings]) -> None:
    """For a helper, who reports to nobody."""
