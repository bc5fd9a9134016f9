"""A table whose columns a user chooses, as the arrays of an audit file, and what was understood in two lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, unknown
from ...signals.types import Bools
from . import chosen_classes, chosen_members
from .check import SUM_TOLERANCE
from .chosen_columns import Column, Columns, by_own_name, chosen
from .names import KINDS, canonical
from .record_table import MARKS, Cells, RecordTable, listed, open_table, shown

PER_CLASS = {"logits", "probs"}  # the outputs that have a column for each class
MOST_DECIMALS = 12  # of probabilities that are looked at as rounded
FIELDS = ("members", "labels", *KINDS, "groups", "features", "class_names")  # what columns may hold
HOW = ("nonmembers", "decimal", "delimiter", "header")  # how a table is read beside


@dataclass(frozen=True)
class Choice:
    """Which columns of a table hold what. None: those with the names of the audit file, such as `label` or `probs_0`.

    Args:
        members: A column of yes and no, 0 and 1 or train and test; or `column=value`, the condition that members
            fulfil, with commas between several values.
        nonmembers: The condition that non-members fulfil, where other records are neither; or a second table, whose
            records are the non-members, while all records of the first are members.
        labels: The column of the true classes, text or numbers.
        probs: The columns of the probabilities: a list, text with commas, or a pattern such as `p_*`. One column for
            each class, or a single one for two classes.
        logits: The same for logits and log-probabilities.
        losses: The column of the losses.
        scores: The column of the attack scores, higher for members.
        groups: Columns of groups of records; leakage is measured for each group.
        features: Columns of other attributes of the records.
        class_names: The class of each output column, in the order of these columns.
        decimal: The decimal mark of text, "." or ",".
        delimiter: The mark between the cells of a text file; None: the one that splits its lines alike.
        header: Whether the first line names the columns; without, they are called 1, 2, 3, ...
    """

    members: str | None = None
    nonmembers: Any = None
    labels: str | None = None
    probs: Columns | None = None
    logits: Columns | None = None
    losses: str | None = None
    scores: str | None = None
    groups: Columns | None = None
    features: Columns | None = None
    class_names: Columns | None = None
    decimal: str = "."
    delimiter: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise InputError(f"--decimal must be . or , got {self.decimal!r}")
        if self.delimiter not in (None, *MARKS) or self.delimiter == self.decimal:
            raise InputError(
                f"--delimiter must be one of {' '.join(map(repr, MARKS))} and not the decimal mark, got "
                f"{self.delimiter!r}"
            )

    @classmethod
    def is_made(cls, named: Mapping[str, Any]) -> bool:
        """Whether keywords name columns or say how a table is read, instead of giving arrays."""
        given = {canonical(name) or name: value for name, value in named.items()}
        return any(name in given for name in HOW) or any(isinstance(given.get(name), str) for name in FIELDS)

    @classmethod
    def of(cls, named: Mapping[str, Any]) -> "Choice":
        """The choice that keywords make. Raises InputError for other keywords, and for what is no name of a column."""
        given = {canonical(name) or name: value for name, value in named.items() if value is not None}
        for name, value in given.items():
            if name not in (*FIELDS, *HOW):
                raise unknown("choice of columns", name[:100], (*FIELDS, *HOW))
            texts = [value] if isinstance(value, str) else value
            if name in FIELDS and not (
                isinstance(texts, list | tuple) and all(isinstance(t, str) for t in texts)
            ):
                raise InputError(
                    f"{name} must name columns of the table, as text or a list of texts, got {type(value).__name__}; "
                    "put an array into the table as a column"
                )
        return cls(**given)

    def open(self, source: Any) -> RecordTable:
        """The table of a file, a data frame or a mapping. Raises InputError if it is none."""
        return open_table(source, self.header, self.delimiter, self.decimal)


class Understood(NamedTuple):
    """The arrays under the names of the audit file, two lines on what was read, and notes on what was not."""

    arrays: dict[str, NDArray[Any]]
    lines: tuple[str, str]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class _Records:
    """The records of one table, or of two with the members first."""

    tables: tuple[RecordTable, ...]
    choice: Choice
    members: Bools  # [N]
    who: str  # who the members and the non-members are
    conditions: tuple[str, ...] = ()  # the columns that say so

    def columns(self, field: str) -> list[Column]:
        """The columns chosen for a field, or those with its name; no further outputs where some are chosen."""
        given: Columns | None = getattr(self.choice, field)
        if given is not None:
            return chosen(self.tables[0], field, given)
        others = field in KINDS and any(getattr(self.choice, kind) is not None for kind in KINDS)
        return [] if others else by_own_name(self.tables[0], field)

    def numbers(self, columns: list[Column]) -> NDArray[np.float64]:
        """The numbers of the columns [N, columns]."""
        return np.column_stack(
            [np.concatenate([table.numbers(table.column(c.name)) for table in self.tables]) for c in columns]
        )

    def cells(self, column: Column, required: bool = True) -> Cells:
        """The texts of a column."""
        parts = [table.cells(table.column(column.name), required) for table in self.tables]
        texts = np.concatenate([np.array(part.distinct)[part.codes] for part in parts])
        distinct, codes = np.unique(texts, return_inverse=True)
        return Cells(distinct.tolist(), codes)

    def texts(self, column: Column, required: bool = True) -> NDArray[np.str_]:
        """The texts of a column [N]."""
        cells = self.cells(column, required)
        return np.array(cells.distinct)[cells.codes]


def read_chosen(source: Any, choice: Choice) -> Understood:
    """The arrays of a table: a file, a data frame, or a mapping of columns.

    Raises InputError where the choice fits no column, or has more than one meaning.
    """
    records = _records(source, choice)
    columns = {field: records.columns(field) for field in ("labels", *KINDS, "groups", "features")}
    for field in ("labels", "losses", "scores"):
        if len(columns[field]) > 1:
            raise InputError(
                f"--{field} must be one column, got {shown([c.name for c in columns[field]])}; choose one of them"
            )
    kinds = [kind for kind in KINDS if columns[kind]]
    if not kinds:
        raise InputError(
            f"{records.tables[0].place}: say which columns hold the outputs of the model, such as --probs 'p_*' (or "
            f"--logits, --losses, --scores), got {shown(records.tables[0].names)}"
        )
    labels = records.cells(columns["labels"][0]) if columns["labels"] else None
    names = chosen_classes.natural(labels.distinct) if labels else []
    arrays: dict[str, NDArray[Any]] = {"members": records.members}
    for kind in kinds:
        values = records.numbers(columns[kind])
        if kind in PER_CLASS:
            arrays[kind], names, columns[kind] = _by_class(kind, columns[kind], values, labels, choice)
        else:
            arrays[kind] = values[:, 0]
    if labels:
        arrays |= {"labels": chosen_classes.codes(labels, names), "class_names": np.array(names)}
    for column in columns["groups"]:
        arrays[f"group_{column.name}"] = records.texts(column)
    if columns["features"]:
        arrays["features"] = np.stack([records.texts(c, required=False) for c in columns["features"]], axis=1)
    return Understood(arrays, _lines(records, columns, names), _unused(records, columns))


def _records(source: Any, choice: Choice) -> _Records:
    table = choice.open(source)
    given = choice.nonmembers
    if given is not None and not (isinstance(given, str) and chosen_members.is_condition(table, given)):
        return _two_tables(table, choice.open(given), choice)
    own = [column.name for column in by_own_name(table, "members")]
    members = choice.members or (own[0] if len(own) == 1 else None)
    if members is None:
        raise InputError(
            f"{table.place}: say which records are the members, such as {chosen_members.suggestion(table)}, or give "
            f"the table of the others with --nonmembers FILE; the columns are {shown(table.names)}"
        )
    found = chosen_members.membership(table, members, given)
    kept = found.members | found.nonmembers
    others = int((~kept).sum())
    left = f"; {others:,} other record{'s are' if others > 1 else ' is'} left out" if others else ""
    n = int(found.members.sum()), int(found.nonmembers.sum())
    who = f"{found.lines[0]}: {n[0]:,}, {found.lines[1]}: {n[1]:,}{left}"
    return _Records((table.of(kept),), choice, found.members[kept], who, found.columns)


def _two_tables(members: RecordTable, others: RecordTable, choice: Choice) -> _Records:
    if choice.members is not None:
        raise InputError(
            f"--members {choice.members!r} and the second table {others.place} both say who the members are; leave one "
            "of them out"
        )
    lengths = len(members), len(others)
    inside, outside = (f"{Path(table.place).name}: {len(table):,}" for table in (members, others))
    who = f"members in {inside}, non-members in {outside}"
    return _Records((members, others), choice, np.arange(sum(lengths)) < lengths[0], who)


def _by_class(
    kind: str, columns: list[Column], values: NDArray[np.float64], labels: Cells | None, choice: Choice
) -> tuple[NDArray[np.float64], list[str], list[Column]]:
    """The outputs [N, C] in the order of the classes, the names of these, and the columns in this order."""
    given = choice.class_names
    names = listed("class-names", given) if isinstance(given, str) else given
    _refuse_other_kind(kind, columns, values)
    if len(columns) == 1:
        other = _complement(values) if kind == "probs" else np.zeros_like(values)
        return (
            np.hstack([other, values]),
            chosen_classes.of_one_column(kind, columns[0], labels, names),
            columns,
        )
    found, order = chosen_classes.of_columns(kind, columns, labels, names)
    return values[:, order], found, [columns[i] for i in order]


def _complement(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - p, which has as many decimals as p: 1 - 0.9 is 0.1, not 0.09999999999999998."""
    exact = (d for d in range(1, MOST_DECIMALS + 1) if (np.round(probs, d) == probs).all())
    return np.asarray(
        1.0 - probs if (decimals := next(exact, None)) is None else np.round(1.0 - probs, decimals)
    )


def _refuse_other_kind(kind: str, columns: list[Column], values: NDArray[np.float64]) -> None:
    """Raise InputError where the values show that probabilities are logits or their logarithms, or the reverse."""
    inside, alone = bool(((values >= 0) & (values <= 1)).all()), len(columns) == 1
    if kind == "logits":
        if inside and (alone or _sums_to(1.0, values)):
            names = shown([column.name for column in columns])
            raise InputError(
                f"--logits: {names} hold only values in 0..1, which are probabilities; write --probs instead"
            )
        return
    if inside:
        return
    i, j = np.argwhere((values < 0) | (values > 1))[0]
    problem = f"--probs: probabilities must lie in 0..1, got {values[i, j]:g} in column {columns[j].name!r}, record {i}"
    if not alone and (values <= 0).all() and _sums_to(1.0, np.exp(values)):
        raise InputError(
            f"{problem}; these are logarithms of probabilities: write --logits, which takes them too"
        )
    if (values >= 0).all() and values.max() <= 100 and (alone or _sums_to(100.0, values)):
        raise InputError(f"{problem}; if these are percentages, divide them by 100")
    remedy = ", or their exponentials if they are logarithms of probabilities" if alone else ""
    raise InputError(
        f"{problem}; if these are values before the softmax or the sigmoid, write --logits{remedy}"
    )


def _sums_to(total: float, values: NDArray[np.float64]) -> bool:
    return bool((np.abs(values.sum(axis=1) - total) <= SUM_TOLERANCE * total).all())


def _lines(records: _Records, columns: dict[str, list[Column]], names: list[str]) -> tuple[str, str]:
    """How many records, classes and members there are, and which columns hold what."""
    classes = f"{len(names):,} classes" if names else "no labels"
    parts = {field: shown([column.name for column in own]) for field, own in columns.items() if own}
    for kind in PER_CLASS & parts.keys():
        one = len(columns[kind]) == 1
        parts[kind] += f" of class{'' if one else 'es'} {shown(names[-1:] if one else names)}"
    told = "; ".join(f"{field}: {text}" for field, text in parts.items())
    return f"{len(records.members):,} records, {classes}, {records.who}", told


def _unused(records: _Records, columns: dict[str, list[Column]]) -> list[str]:
    """A note on the columns that hold nothing that was chosen."""
    used = {column.name for own in columns.values() for column in own} | set(records.conditions)
    others = [name for name in records.tables[0].names if name not in used]
    return [f"not used: {shown(others)}"] if others else []
