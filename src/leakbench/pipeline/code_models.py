"""Models that the code of `[trainer]` trains in a study: queried while they exist, and kept as outputs."""

import inspect
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from ..core.errors import InputError, unknown
from ..core.store import Entry
from ..core.user_code import imported
from ..data.dataset import Dataset
from ..train.job import Job
from ..train.networks.code import CodeNetwork
from ..train.recipe import CodeRecipe, CodeTrainer, SklearnTrainer
from .any_model.learner import EnsembleLearner, EstimatorLearner, FunctionLearner, Learner
from .any_model.training import Predict, Training, read_outputs

MOST_CHANGED = 0.01  # share of the predicted classes in which a model may differ when it is trained again


def training(dataset: Dataset, jobs: Sequence[Job]) -> Training:
    """The training of models of code, which share a recipe. Estimators get images as rows of pixels."""
    recipe = jobs[0].recipe
    assert isinstance(recipe, CodeRecipe)
    members = np.zeros((len(jobs), len(dataset.y)), dtype=np.bool_)
    for row, job in zip(members, jobs, strict=True):
        row[job.members] = True
    seeds = tuple(job.seed >> 32 for job in jobs)
    flat = isinstance(recipe.trainer, SklearnTrainer)
    x = dataset.x.reshape(len(dataset.x), -1) if flat else dataset.x
    return Training(learner_of(recipe), x, dataset.y, np.arange(len(dataset.classes)), members, seeds)


@cache
def identity(recipe: CodeRecipe) -> dict[str, Any]:
    """What tells the code of a recipe from other code: the versions of its libraries, or the one that the study gives.

    Raises InputError where it has neither, and as `learner_of`.
    """
    found = learner_of(recipe).identity(recipe.trainer.version)
    assert found is not None  # a function has a version
    return found


def learner_of(recipe: CodeRecipe) -> Learner:
    """The learner of a recipe. Raises InputError where the code cannot be imported or its parameters are wrong."""
    one = _learner(recipe.trainer)
    return one if recipe.size == 1 else EnsembleLearner(one, recipe.size)


@cache
def _learner(trainer: CodeTrainer) -> Learner:
    if isinstance(trainer, SklearnTrainer):
        return EstimatorLearner(_estimator(trainer))
    fit = imported(trainer.function, "the function of [trainer]")
    if not callable(fit) or isinstance(fit, type):
        raise InputError(
            f"the function of [trainer] must be a function fit(x, y, seed), got {trainer.function!r}, a "
            f"{type(fit).__name__}"
        )
    return FunctionLearner(partial(fit, **trainer.parameters))


def _estimator(trainer: SklearnTrainer) -> Any:
    from sklearn.base import BaseEstimator, is_classifier

    what = f"the estimator {trainer.estimator!r}"
    make = imported(trainer.estimator, "the estimator of [trainer]")
    is_class = isinstance(make, type) and issubclass(make, BaseEstimator)
    if not callable(make) or (trainer.estimator.startswith("sklearn.") and not is_class):
        raise InputError(f"{what} must be a class of classifiers, got a {type(make).__name__}")
    try:
        if is_class:
            names = list(inspect.signature(make).parameters)
            if wrong := next((name for name in trainer.parameters if name not in names), None):
                raise unknown(f"parameter of {what}:", wrong, names)
        made = make(**trainer.parameters)
        if not hasattr(made, "fit") or not is_classifier(made):
            raise InputError(f"{what} must be a scikit-learn classifier, got {type(made).__name__}")
    except InputError:
        raise
    except Exception as error:  # whatever a class or a function raises
        raise InputError(
            f"{what} cannot be made from parameters = {dict(trainer.parameters)}: {error}"
        ) from None
    return made


def network(training: Training, predict: Predict) -> CodeNetwork:
    """A model of this training as a network."""
    return CodeNetwork(lambda x: predict(x.reshape(len(x), *training.x.shape[1:])).finite())


def trained_again(training: Training, m: int, kept: Entry) -> CodeNetwork:
    """Model m, of which the store keeps the outputs alone, trained again.

    Raises InputError where its predictions are not those of the model that was trained before.
    """
    predict, outputs = training.model(m)
    before = read_outputs(kept, len(training.y)).logits
    changed = float((before.argmax(axis=1) != outputs.logits.argmax(axis=1)).mean())
    if changed > MOST_CHANGED:
        raise InputError(
            f"the code of [trainer] must train the same model from the same seed, got {changed:.1%} other "
            f"predictions of model {m} when it was trained again; draw every random number from the seed"
        )
    return network(training, predict)
