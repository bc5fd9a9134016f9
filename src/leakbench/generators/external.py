import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..core.errors import InputError
from ..core.user_code import NAMES_CODE, imported
from ._classes import ClassSampler, per_class
from .base import Generator, Labels, Records, Sampler


@dataclass(frozen=True)
class External(Generator):
    r"""A generator that you have installed, fitted on each class: anything with `fit(table)` and `sample(n)`.

    `factory` is "module:Class", such as "ctgan:CTGAN" or "sklearn.mixture:GaussianMixture"; `options` are the
    arguments that it is called with, a table (or the same as JSON text, which is how they are kept).

    Formula: for each class c: model_c = Class(**options), fitted on x[y == c];  a new x ~ model_c
    Shapes:  table of one class [n, D], a float64 array -> [m, D]
    Source:  the installed package; the interface is scikit-learn's and CTGAN's
    Differs: a `fit` that takes `discrete_columns` gets the columns that hold only 0 and 1. The first part
             of a tuple that `sample` returns is taken. A class that needs a DataFrame must be wrapped in one
             that makes it.
    Limits:  the same seed gives the same records only where the object has `set_random_state` (CTGAN) or
             `random_state` (scikit-learn); licences differ: CTGAN's is the Business Source License
    """

    name: ClassVar[str] = "external"
    source: ClassVar[str] = "the package that `factory` names"
    images: ClassVar[bool] = False
    factory: str = field(metadata=NAMES_CODE)  # "module:Class" of the generator
    options: dict[str, Any] | str = "{}"  # its arguments

    def __post_init__(self) -> None:
        if not all(self.factory.partition(":")):
            raise InputError(
                f'factory must be "module:Class", such as "ctgan:CTGAN", got {self.factory!r}; name both'
            )
        object.__setattr__(self, "options", _frozen(self.options))

    def fit(self, x: Records, y: Labels, classes: Sequence[str], rng: np.random.Generator) -> Sampler:
        make = imported(self.factory, "the generator")
        options = json.loads(str(self.options))
        bits = np.flatnonzero(((x == 0) | (x == 1)).all(axis=0)).tolist()

        def fit_class(records: Records) -> ClassSampler:
            model = self._call(make, **options)
            if not (hasattr(model, "fit") and hasattr(model, "sample")):
                raise InputError(f"{self.factory} must make an object with fit and sample, got {model!r}")
            _seed(model, rng)
            discrete = {"discrete_columns": bits} if _takes(model.fit, "discrete_columns") else {}
            self._call(model.fit, records.astype(np.float64), **discrete)

            def sample(n: int, rng: np.random.Generator) -> Records:
                _seed(model, rng)
                return self._records(self._call(model.sample, n), (n, x.shape[1]))

            return sample

        return per_class(fit_class, x, y, len(classes))

    def _call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """The result of foreign code. Its exceptions become one InputError."""
        try:
            return function(*arguments, **options)
        except Exception as error:
            step = getattr(function, "__name__", "call")
            raise InputError(
                f"the generator {self.factory} must fit and sample, got {type(error).__name__} "
                f"from {step}: {error}; change its options or choose another"
            ) from error

    def _records(self, made: Any, shape: tuple[int, int]) -> Records:
        made = np.asarray(made[0] if isinstance(made, tuple) else made)
        if made.shape != shape or made.dtype.kind not in "biuf" or not np.isfinite(made).all():
            raise InputError(
                f"{self.factory}.sample must return {list(shape)} finite numbers, "
                f"got {made.dtype} of shape {list(made.shape)}; wrap it in a class that does"
            )
        return np.asarray(made, np.float32)


def _frozen(options: object) -> str:
    """Options as JSON text with sorted keys: hashable, and the same for the same options."""
    try:
        table = json.loads(options) if isinstance(options, str) else options
        if not isinstance(table, dict):
            raise TypeError(f"got {table!r}")
        return json.dumps(table, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"options must be a table of plain values, or one as JSON text; {error}") from None


def _takes(function: Callable[..., Any], parameter: str) -> bool:
    return parameter in inspect.signature(function).parameters


def _seed(model: Any, rng: np.random.Generator) -> None:
    seed = int(rng.integers(2**31))
    if hasattr(model, "set_random_state"):
        model.set_random_state(seed)
    elif hasattr(model, "random_state"):
        model.random_state = seed
