"""What trains: a scikit-learn estimator, or a function of the user's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.seeds import derive
from .identity import describe
from .outputs import Classes, Outputs, mean_of, of_estimator, of_function

LONGEST = 500  # characters of a pipeline's text
Fit = Callable[[Any, NDArray[Any], int], Callable[[Any], Any]]


class Learner(Protocol):
    """Trains one model on some records, and returns what gives its outputs on others."""

    @property
    def title(self) -> str:
        """What the report calls it."""
        ...

    @property
    def text(self) -> str:
        """How the user wrote it, on one line."""
        ...

    def identity(self, version: str | None) -> dict[str, Any] | None:
        """What tells it from others, as plain data; None where nothing does."""
        ...

    def train(self, x: Any, y: NDArray[Any], seed: int) -> Callable[[Any, Classes], Outputs]:
        """Train on the records of one model."""
        ...


@dataclass(frozen=True)
class EstimatorLearner:
    """A scikit-learn estimator or pipeline. Every random_state that is None, nested ones too, gets a seed."""

    estimator: Any

    @property
    def title(self) -> str:
        """Its class; of a pipeline that of the last step."""
        steps = getattr(self.estimator, "steps", None)
        return type(steps[-1][1] if steps else self.estimator).__name__

    @property
    def text(self) -> str:
        """Its class and the parameters that are not the defaults."""
        return " ".join(repr(self.estimator).split())[:LONGEST]

    def identity(self, version: str | None) -> dict[str, Any]:
        """Its class, parameters and versions, and the `version`, which suffices where there is no plain form."""
        try:
            return {"estimator": describe(self.estimator, type(self.estimator).__name__), "version": version}
        except InputError:
            if version is None:
                raise
            named = type(self.estimator)
            return {"estimator": f"{named.__module__}.{named.__qualname__}", "version": version}

    def train(self, x: Any, y: NDArray[Any], seed: int) -> Callable[[Any, Classes], Outputs]:
        """Fit a clone."""
        from sklearn.base import clone

        model = clone(self.estimator)
        unset = [
            name
            for name, value in sorted(model.get_params(deep=True).items())
            if value is None and (name == "random_state" or name.endswith("__random_state"))
        ]
        model.set_params(**{name: derive(seed, name) >> 32 for name in unset})
        model.fit(x, y)
        return lambda records, classes: of_estimator(model, records, classes)


@dataclass(frozen=True)
class FunctionLearner:
    """A function fit(x, y, seed) that returns a function predict(x)."""

    fit: Fit

    @property
    def title(self) -> str:
        """Its name."""
        return str(getattr(self.fit, "__name__", type(self.fit).__name__))

    @property
    def text(self) -> str:
        """Its name."""
        return self.title

    def identity(self, version: str | None) -> dict[str, Any] | None:
        """The `version` that the user gives."""
        return None if version is None else {"function": version}

    def train(self, x: Any, y: NDArray[Any], seed: int) -> Callable[[Any, Classes], Outputs]:
        """Call the function."""
        predict = self.fit(x, y, seed)
        if not callable(predict):
            raise InputError(
                f"fit(x, y, seed) must return a function predict(x), got {type(predict).__name__}; "
                "return for example model.predict_proba"
            )
        return lambda records, classes: of_function(predict(records), classes)


@dataclass(frozen=True)
class EnsembleLearner:
    """`size` models of another learner, each with a seed of its own; the mean of their probabilities is released."""

    learner: Learner
    size: int

    @property
    def title(self) -> str:
        """That of its models."""
        return self.learner.title

    @property
    def text(self) -> str:
        """Its size, and its models as the user wrote them."""
        return f"{self.size} x {self.learner.text}"

    def identity(self, version: str | None) -> dict[str, Any] | None:
        """That of its models, and its size."""
        found = self.learner.identity(version)
        return None if found is None else {"ensemble": self.size, **found}

    def train(self, x: Any, y: NDArray[Any], seed: int) -> Callable[[Any, Classes], Outputs]:
        """Train the models one after the other."""
        models = [self.learner.train(x, y, derive(seed, "ensemble", k) >> 32) for k in range(self.size)]
        return lambda records, classes: mean_of([model(records, classes) for model in models])


def learner(given: Any) -> Learner:
    """The learner of an estimator or a function. Raises InputError for a class, a regressor, and anything else."""
    if isinstance(given, type):
        raise InputError(
            f"give an estimator or a function, got the class {given.__name__}; write {given.__name__}()"
        )
    if hasattr(given, "fit") and hasattr(given, "get_params"):
        from sklearn.base import is_classifier, is_regressor

        if is_regressor(given) and not is_classifier(given):
            raise InputError(f"the estimator must be a classifier, got the regressor {type(given).__name__}")
        return EstimatorLearner(given)
    if callable(given):
        return FunctionLearner(given)
    raise InputError(
        "give a scikit-learn estimator, or a function fit(x, y, seed) that returns a function predict(x), "
        f"got {type(given).__name__}"
    )
