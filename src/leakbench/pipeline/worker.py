"""A worker process of a run, which makes and attacks what no other process has claimed."""

import platform
from pathlib import Path

from ..core.errors import LeakbenchError
from ..core.progress import NullProgress, Progress
from ..data.dataset import Dataset
from ..evaluation.findings import Findings
from .query import Querier
from .steps import attack_models, checked_recipes, open_trainer, query_models, train_all
from .study import Study


def work(
    study: Study,
    store: str | Path,
    identity: str | None = None,
    dataset: Dataset | None = None,
    progress: Progress | None = None,
) -> None:
    """Share the work of runs of this study on this store, until every defence has been attacked.

    Args:
        study: The study of the run.
        store: The folder or URL of the store.
        identity: The identity of the run's store, which this store must have. None: not checked.
        dataset: The data set of the run. None: it is read as the study says.
        progress: Told what is done, by this process or another one. None: nothing is shown.

    Raises:
        LeakbenchError: The store is not the one of the run; and as `run`.
    """
    progress = progress or NullProgress()
    trainer = open_trainer(study, store, dataset)
    if identity not in (None, trainer.store.identity):
        raise LeakbenchError(
            f"the store must be the one of the run, but {store} on {platform.node()} is another; "
            "give a folder that all machines see under the same path"
        )
    converged = train_all(trainer, checked_recipes(study, trainer.dataset), progress)
    all_defended = query_models(study, Querier(converged.trainer), converged.recipes, progress)
    attack_models(study, all_defended, converged.trainer, progress, _discard)


def _discard(found: list[Findings]) -> None:
    """Do nothing: the run reads the findings from the store."""
