"""The audit file, our contract with every framework: arrays in, checked `Models` out.

`docs/audit-file.md` describes the schema `leakbench-audit/1` for those who write such files.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, unknown
from ...signals.models import Models
from ...signals.statistics import Array, log_softmax, loss
from ...signals.types import Bools, Signals, on_records
from .assemble import Arrays, assemble, kinds
from .check import LOOKED_AT, text
from .chosen_table import Choice, read_chosen
from .containers import load
from .given import as_array
from .mapped import parts
from .named_labels import decoded, numbered
from .names import NAMES, SCHEMA, canonical, recognise
from .other_records import without_unlabelled_shadows

MOST_GROUPS = 1000  # each is measured under each attack
MOST_KINDS = 20  # of canaries
MOST_FEATURES = 1000  # columns; the blind baseline looks at each
DIFFERENT = 0.05  # relative difference, and share of the values, from which an array contradicts another


@dataclass(frozen=True, eq=False)
class AuditInput:
    """The input of an audit: the outputs of every model, the models under attack, and groups of records."""

    models: Models
    targets: tuple[int, ...]  # every model given with `members`; those given as shadow_* are never attacked
    shadows: Models | None  # shadow models that were queried with other records than the targets
    groups: dict[str, NDArray[np.str_]]  # by name, [N]
    class_names: tuple[str, ...] | None
    fingerprint: str  # SHA-256 over the arrays given: 32 hex digits
    source: str  # the path, or "arrays"
    kind: str  # the most informative outputs given: "logits", "probs", "losses" or "scores"
    notes: tuple[str, ...] = ()  # arrays that were given and not used
    understood: tuple[
        str, ...
    ] = ()  # what was read, of a table with chosen columns and of another tool's arrays
    features: NDArray[Any] | None = None  # [N, D] further features of the records: numbers or text
    canaries: NDArray[np.str_] | None = (
        None  # [N] the kind of canary of each record, empty for an average one
    )


def read(path: str | Path) -> AuditInput:
    """The content of an audit file: npz, csv, parquet, a folder of npy files, or a peer's folder (`peers`).

    Raises InputError, in one line, for anything that is missing, damaged, of the wrong shape or impossible.
    """
    arrays, notes, read_as = load(Path(path))
    try:
        checked = _checked(arrays, str(path), notes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return replace(checked, understood=(read_as, _described(checked))) if read_as else checked


def read_columns(source: Any, choice: Choice) -> AuditInput:
    """The content of a table, a path or a data frame, whose columns the user chose.

    Raises InputError, in one line, for a choice with no meaning or with several, and as `read` does.
    """
    found = read_chosen(source, choice)
    place = str(source) if isinstance(source, str | Path) else "the table"
    try:
        checked = _checked(found.arrays, place, found.notes)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    return replace(checked, understood=found.lines)


def from_arrays(**arrays: Any) -> AuditInput:
    """The same from arrays in memory, under the names of the audit file; None counts as absent.

    Raises InputError, also for an unknown name.

    >>> given = from_arrays(losses=[0.1, 0.2, 0.9, 1.2], members=[1, 1, 0, 0])
    >>> given.models.members.shape, given.targets, given.kind
    ((1, 4), (0,), 'losses')
    """
    for name in arrays:
        if canonical(name) is None:
            raise unknown("array", name[:100], NAMES)
    found, _ = recognise([name for name, value in arrays.items() if value is not None], "the arrays")
    return _checked({ours: as_array(ours, arrays[name]) for ours, name in found.items()}, "arrays", [])


def _described(given: AuditInput) -> str:
    """How many models, records, classes and members were read."""
    models, n_targets = given.models, len(given.targets)
    m, v, n = models.signals.shape
    members = models.members[list(given.targets)].sum(axis=1)
    logits, population = models.signals.logits, models.population
    counts = f"{members.min():,}" + (f" to {members.max():,}" if members.min() < members.max() else "")
    told = [
        f"{n_targets} target models" if n_targets > 1 else "1 target model",
        f"{m - n_targets} shadow models" if m > n_targets else "",
        f"{n:,} records",
        f"{logits.shape[3]} classes" if logits is not None else "",
        f"{v} views" if v > 1 else "",
        f"members: {counts}",
        f"population: {population.members.shape[1]:,}" if population is not None else "",
    ]
    return ", ".join(filter(None, told))


def _checked(arrays: Arrays, source: str, notes: list[str]) -> AuditInput:
    given = {name: decoded(name, array) for name, array in arrays.items()}
    for name, array in given.items():
        text(name, array)
    _check_schema(given)
    arrays = numbered(given)
    arrays, unused = without_unlabelled_shadows(arrays)
    models, targets, shadows = assemble(arrays)
    n_records, logits = models.members.shape[1], models.signals.logits
    return AuditInput(
        models=models,
        targets=targets,
        shadows=shadows,
        groups=_groups(arrays, n_records),
        class_names=_class_names(arrays, None if logits is None else logits.shape[3]),
        fingerprint=_fingerprint(given),
        source=source,
        kind=kinds(arrays)[0],
        notes=(*notes, *unused, *_unused(arrays, models.signals)),
        features=_features(arrays, n_records),
        canaries=_canaries(arrays, models.members[list(targets)]),
    )


def _check_schema(arrays: Arrays) -> None:
    given = str(arrays.get("schema", SCHEMA))
    if given != SCHEMA:
        raise InputError(f"schema must be {SCHEMA!r}, got {given[:100]!r}; a newer leakbench may read it")


def _groups(arrays: Arrays, n: int) -> dict[str, NDArray[np.str_]]:
    """Groups of records by name, as text: `groups` is called "group", `group_site` is called "site"."""
    found = {}
    for name, array in arrays.items():
        if not name.startswith("group"):
            continue
        if array.shape != (n,):
            raise InputError(f"{name} must be one group per record, [{n}], got shape {array.shape}")
        if array.dtype.kind not in "biuU":
            raise InputError(f"{name} must be text or integers, got dtype {array.dtype}; use astype(str)")
        several = np.unique(array).size
        if several > MOST_GROUPS:
            raise InputError(
                f"{name} must hold at most {MOST_GROUPS} different groups, got {several}; leave out what names records"
            )
        found["group" if name == "groups" else name.removeprefix("group_")] = array.astype(str)
    return found


def _features(arrays: Arrays, n: int) -> NDArray[Any] | None:
    """Features of the records beside labels and groups [N, D], numbers or text; NaN where a number is missing."""
    array = arrays.get("features")
    if array is None:
        return None
    if array.ndim not in (1, 2) or len(array) != n or 0 in array.shape:
        raise InputError(f"features must be one row per record, [{n}, D], got shape {array.shape}")
    if array.size > MOST_FEATURES * n:
        raise InputError(
            f"features must have at most {MOST_FEATURES} columns, got {array.shape[1]}; leave some out"
        )
    if array.dtype.kind not in "biufU":
        raise InputError(f"features must be numbers or text, got dtype {array.dtype}; use astype(float)")
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise InputError("features must not be infinite; use NaN where a number is missing")
    return np.asarray(array).reshape(n, -1)


def _canaries(arrays: Arrays, members: Bools) -> NDArray[np.str_] | None:
    """The kind of canary of each record [N], empty for an average one; None where there are none."""
    array = arrays.get("canary")
    if array is None or not array.size:
        return None
    n = members.shape[1]
    if array.shape != (n,) or array.dtype.kind != "U":
        raise InputError(
            f"canary must be one text a record, [{n}], the kind of canary or empty, got {array.dtype} of shape "
            f"{array.shape}"
        )
    several = np.unique(array[array != ""]).size
    if several > MOST_KINDS:
        raise InputError(
            f"canary must hold at most {MOST_KINDS} different kinds, got {several}; name kinds, not records"
        )
    average = members[:, array == ""]
    if not average.any() or average.all():
        raise InputError(
            "canary must be empty for some members and some non-members, the average records that canaries are "
            f"compared with, got {int(average.sum())} members and {int((~average).sum())} non-members; where every "
            "record is a canary, name the kinds in `groups`"
        )
    return array if several else None


def _class_names(arrays: Arrays, n_classes: int | None) -> tuple[str, ...] | None:
    names = arrays.get("class_names")
    if names is None:
        return None
    labels = arrays.get("labels")
    needed = n_classes or (0 if labels is None else int(labels.max()) + 1)
    if names.ndim != 1 or names.dtype.kind not in "iuU" or len(names) < needed:
        raise InputError(
            f"class_names must be one name a class, [{needed}], got {names.dtype} of shape {names.shape}"
        )
    return tuple(str(name) for name in names)


def _fingerprint(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}\x1f{array.dtype.str}\x1f{array.shape}\x1f".encode())
        for part in parts(array):
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:32]


def _unused(arrays: Arrays, signals: Signals) -> list[str]:
    """Notes on arrays that others replace, and on how many of their values contradict these."""
    notes = []
    if "logits" in arrays and "probs" in arrays:
        follows = _contradicted(arrays["probs"], lambda z: np.exp(log_softmax(z)), signals)
        notes.append(f"not used: probs (logits are there too){follows}")
    if "losses" in arrays and signals.labels is not None and kinds(arrays)[0] != "losses":
        labels = signals.labels[:LOOKED_AT]
        follows = _contradicted(arrays["losses"], lambda z: loss(z, labels), signals)
        notes.append(f"not used: losses (they follow from {kinds(arrays)[0]} and labels){follows}")
    return notes


def _contradicted(given: NDArray[Any], follows: Callable[[Array], Array], signals: Signals) -> str:
    """The share of the values of the first target's first view that differ from those that follow from its logits."""
    assert signals.logits is not None
    follow = follows(np.asarray(on_records(signals.logits, 0, slice(LOOKED_AT))[0], dtype=np.float64))
    values = given[(0,) * (given.ndim - follow.ndim)][:LOOKED_AT]
    if values.dtype.kind not in "fiu" or values.shape != follow.shape:
        return "; they do not fit the other arrays"
    far = np.abs(values - follow) > DIFFERENT * (1 + np.abs(follow))
    return (
        f"; {far.mean():.0%} of them differ, so check the order of all arrays"
        if far.mean() > DIFFERENT
        else ""
    )
