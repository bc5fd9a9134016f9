"""Models that the user has already, as the targets of attacks whose shadow models are trained to match."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...data.audit_file.given import as_array
from ...data.audit_file.read import from_arrays
from ...signals.types import Bools
from .outputs import Classes, Outputs, of_estimator, of_function
from .records import take
from .training import error_text


def members_of(members: Any, n: int) -> Bools:
    """The membership of the targets [T, N]. Raises InputError unless it is that of N records, as in an audit."""
    array = as_array("members", members)
    if array.ndim not in (1, 2) or array.shape[-1] != n:
        raise InputError(
            f"members must say of each of the {n} records whether the target was trained on it, [N] or [T targets, N], "
            f"got shape {array.shape}"
        )
    given = from_arrays(losses=np.zeros((np.atleast_2d(array)).shape), members=np.atleast_2d(array))
    return np.asarray(given.models.members)


def matching(members: Bools, models: int, rng: np.random.Generator) -> Bools:
    """The membership [S, N] of shadow models with as many members as the targets, whose members are [T, N].

    The targets' numbers are taken in turn. Each model trains on the records that the fewest models before it trained
    on, in random order among equals, so that the numbers of models that train on a record differ by 1 at most. Where a
    target has half of the records, models come in complementary pairs.
    """
    sizes, n = members.sum(axis=1), members.shape[1]
    found, trained_on = np.zeros((models, n), dtype=np.bool_), np.zeros(n, dtype=np.int64)
    for s in range(models):
        order = np.lexsort((rng.permutation(n), trained_on))
        found[s, order[: sizes[s % len(sizes)]]] = True
        trained_on += found[s]
    return found


def outputs_of(targets: Any, x: Any, n: int, classes: Classes) -> list[Outputs]:
    """The outputs of the targets on all records; they are given, or computed by fitted estimators or functions.

    Args:
        targets: Outputs [N, C] or [T, N, C], predicted labels [N], a fitted classifier, a function predict(x), or a
            list of T of these.
        x: The records, as in `audit_training`.
        n: How many records there are.
        classes: The distinct labels.

    Raises InputError where the outputs are not of these records and classes.
    """
    several = targets if _is_several(targets) else [targets]
    return [_outputs(t, each, x, n, classes) for t, each in enumerate(several)]


def _is_several(targets: Any) -> bool:
    """Whether targets are a list of models or of their outputs, or an array [T, N, C]."""
    if hasattr(targets, "predict") or callable(targets):
        return False
    first: NDArray[Any] | Any = targets[0] if isinstance(targets, Sequence) and len(targets) else None
    return callable(first) or hasattr(first, "predict") or as_array("targets", targets).ndim == 3


def _outputs(t: int, target: Any, x: Any, n: int, classes: Classes) -> Outputs:
    try:
        if hasattr(target, "predict"):
            found = of_estimator(target, take(x, np.arange(n)), classes)
        else:
            values = target(take(x, np.arange(n))) if callable(target) else as_array("targets", target)
            found = of_function(values, classes)
    except Exception as error:  # the user's code raises whatever it will
        raise InputError(f"the outputs of target {t} cannot be used: {error_text(error)}") from error
    if len(found.logits) != n:
        raise InputError(
            f"the outputs of target {t} must have one row for each of the {n} records, got {len(found.logits)}"
        )
    return found
