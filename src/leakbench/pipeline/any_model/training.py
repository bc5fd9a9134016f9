"""Train models in processes of this machine, and keep their outputs."""

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.content_key import content_key
from ...core.errors import InputError
from ...core.progress import Progress
from ...core.store import Entry, Store, expected
from ...signals.types import Bools
from .learner import Learner
from .outputs import LABELS, LOGITS, PROBABILITIES, Classes, Outputs
from .records import Rows, take

KIND, FILE = "outputs", "logits.npy"  # in the store
FORMAT = 1  # raised when the stored logits of the same outputs change
Predict = Callable[[Any], Outputs]
TOLD = (UserWarning, RuntimeWarning)  # what a training may warn of that concerns its result


@dataclass(frozen=True, eq=False)
class Training:
    """The training of M models on random parts of one data set."""

    learner: Learner
    x: Any
    y: NDArray[Any]  # [N]
    classes: Classes
    members: Bools  # [M, N]
    seeds: tuple[int, ...]  # [M]

    def rows(self, m: int) -> Rows:
        """The members of model m."""
        return np.flatnonzero(self.members[m])

    def train(self, m: int) -> Outputs:
        """The outputs of model m on all records. Raises InputError that names the model where its code raises."""
        return self.model(m)[1]

    def model(self, m: int) -> tuple[Predict, Outputs]:
        """Model m as a function from records to outputs, and its outputs on all records. Raises as `train`."""
        rows = self.rows(m)
        with warnings.catch_warnings(record=True) as warned, self._named(m):
            warnings.simplefilter("default")
            trained = self.learner.train(take(self.x, rows), self.y[rows], self.seeds[m])
            outputs = _checked(trained(take(self.x, np.arange(len(self.y))), self.classes), len(self.y))

        def predict(x: Any) -> Outputs:
            with self._named(m):
                return _checked(trained(x, self.classes), len(x))

        texts = [
            f"{w.category.__name__}: {_first_line(w.message)}" for w in warned if issubclass(w.category, TOLD)
        ]
        return predict, replace(outputs, warnings=tuple(sorted(set(texts))))

    @contextmanager
    def _named(self, m: int) -> Iterator[None]:
        """Turn what the code of model m raises into an InputError that names the model."""
        try:
            yield
        except Exception as error:  # the user's code raises whatever it will
            raise InputError(self._failed(m, error)) from error

    def _failed(self, m: int, error: Exception) -> str:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, InputError) else f" ({place.filename}, line {place.lineno})"
        members = f"{len(self.rows(m))} members of {len(np.unique(self.y[self.members[m]]))} classes"
        return f"model {m} of {len(self.seeds)} ({members}) failed: {error_text(error)}{where}"


def _checked(outputs: Outputs, n: int) -> Outputs:
    if len(outputs.logits) != n:
        raise InputError(
            f"predict must return one row for each of the {n} records, got {len(outputs.logits)}"
        )
    return outputs


def error_text(error: Exception) -> str:
    """What an error says; the type of one that is not ours tells the user of what library it is."""
    return ("" if isinstance(error, InputError) else f"{type(error).__name__}: ") + _first_line(error)


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "")[:500]


def train_all(
    training: Training,
    processes: int,
    progress: Progress,
    store: Store | None,
    identity: dict[str, Any] | None,
) -> list[Outputs]:
    """The outputs of every model: read from the store, or trained and kept there.

    Where nothing tells the `identity` of the code and the data, nothing is read or kept.
    """
    models = range(len(training.seeds))
    keep = store if identity is not None else None
    members = [content_key(training.rows(m).tolist()) for m in models]
    of_models = [{"seed": s, "members": key} for s, key in zip(training.seeds, members, strict=True)]
    specs = [{**(identity or {}), "model": model, "format": FORMAT} for model in of_models]
    found: dict[int, Outputs] = {}
    if keep is not None:
        entries = {
            m: keep.get(KIND, specs[m], lambda entry: read_outputs(entry, len(training.y))) for m in models
        }
        found = {m: read_outputs(entry, len(training.y)) for m, entry in entries.items() if entry is not None}
    missing = [m for m in models if m not in found]
    progress.stage("training", len(missing))
    for m, outputs in _in_processes(training, missing, min(processes, len(missing))):
        found[m] = outputs
        if keep is not None:
            keep.put(
                KIND,
                specs[m],
                {FILE: outputs.logits},
                outputs.meta(),
            )
        progress.advance()
    return [found[m] for m in models]


def read_outputs(entry: Entry, n: int) -> Outputs:
    """What an entry holds. Raises unless that is the outputs of a model on n records."""
    logits = expected(entry.array(FILE), (n, None), "f")
    if np.isnan(logits).any() or entry.meta["kind"] not in (PROBABILITIES, LOGITS, LABELS):
        raise ValueError("logits must be numbers of a known kind")
    return Outputs(logits, entry.meta["kind"], tuple(map(str, entry.meta["warnings"])))


def _in_processes(training: Training, models: Sequence[int], processes: int) -> Iterator[tuple[int, Outputs]]:
    """Each model's number and outputs as soon as they are there; in this process where one is enough.

    The workers get the code and the data from this process alone, through memory: nothing pickled is on a disk.
    """
    if processes <= 1:
        yield from ((m, training.train(m)) for m in models)
        return
    from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]
    from sklearn.utils.parallel import Parallel, delayed

    pool = Parallel(processes, backend="loky", max_nbytes=None, return_as="generator_unordered")
    try:
        yield from pool(delayed(_trained)(training.train, m) for m in models)
    except InputError:
        raise
    except Exception as error:  # a worker that was killed, or code that cannot be sent to one
        raise InputError(
            f"the models cannot be trained in {processes} processes: {error_text(error)}; "
            "give processes=1, or fewer where memory is short"
        ) from error
    finally:  # a worker in which other code ran before has its libraries loaded, and torch may not load beside them
        get_reusable_executor().shutdown()


def _trained(train: Callable[[int], Outputs], m: int) -> tuple[int, Outputs]:
    try:
        return m, train(m)
    except InputError as error:
        raise InputError(str(error)) from None  # its cause may not travel between processes
