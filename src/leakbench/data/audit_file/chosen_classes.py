"""Which column of a table belongs to which class: names decide, and an order decides only where the user gives it."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .chosen_columns import Column
from .record_table import Cells, plain, shown

GENERIC = (  # words in the name of a column that name no class
    "p|pr|probs?|probas?|probability|probabilities|preds?|predict|predicted|predictions?|scores?|outputs?|softmax"
    "|sigmoid|logits?|logprobs?|log|class|label|y|hat|of|model|confidence|conf|value"
)
LEADING = re.compile(rf"(?i)(?:{GENERIC})(?=[\W\d_]|$)[\s_.:(\[-]*?(?=-\d|[^\W_]|$)")
TRAILING = re.compile(rf"(?i)[)\]]$|[\s_.:-]+(?:{GENERIC})$")
USUAL = (  # pairs of classes; a single column of outputs is that of the second
    ("0", "1"), ("-1", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("negative", "positive"),
    ("neg", "pos"),
)  # fmt: skip


class Classes(NamedTuple):
    """The classes of a table.

    Args:
        names: [C] in the order of numbers, or alphabetical; or as the user gave them.
        order: [C] the place of each class among the chosen columns.
    """

    names: list[str]
    order: list[int]


def of_columns(
    option: str, columns: list[Column], labels: Cells | None, given: Sequence[str] | None
) -> Classes:
    """The classes of columns of which each holds the outputs for one class.

    Raises InputError where a label has no column, or where only the order could tell which column is whose.
    """
    if given is not None:
        names = _checked(given, len(columns))
        _refuse_other_order(option, columns, names)
        return Classes(names, list(range(len(columns))))
    if labels is None:
        names = [column.part or column.name for column in columns]
        ordered = natural(names)
        return Classes(ordered, [names.index(name) for name in ordered])
    for names in _name_lists(columns):
        found = _matched(labels.distinct, names)
        if found is not None:
            labelled = dict(zip(found.tolist(), labels.distinct, strict=True))
            called = [labelled.get(i, name) for i, name in enumerate(names)]
            ordered = natural(called)
            return Classes(ordered, [called.index(name) for name in ordered])
    raise _without_column(option, columns, labels)


def of_one_column(
    option: str, column: Column, labels: Cells | None, given: Sequence[str] | None
) -> list[str]:
    """The two classes of a column that holds the probability, or the logit, of the second.

    Raises InputError unless there are two classes, and the name of the column or the usual meaning tells which it is.
    """
    if given is None and labels is None:
        return ["other", column.part or column.name]
    two = (
        _checked(given, 2) if given is not None else natural(_without_case(labels.distinct if labels else ()))
    )
    if len(two) != 2:
        raise InputError(
            f"--{option} chooses one column, {column.name!r}, which is enough for two classes, but the labels have "
            f"{len(two)}, {shown(two)}; choose a column for each class, such as --{option} 'p_*'"
            + (
                ", or name both classes, that of the column last: --class-names OTHER,THIS"
                if len(two) < 2
                else ""
            )
        )
    own = next(
        (found[0] for names in _name_lists([column]) if (found := _matched(names, two)) is not None), None
    )
    usual = tuple(map(str.casefold, two)) in USUAL and (column.nameless or not _stripped(column.name))
    if own == 0 and given is not None:
        raise InputError(
            f"column {column.name!r} names the class {two[0]!r}, but --class-names ends with {two[1]!r}; put the class "
            "of the column last, or leave --class-names out"
        )
    if own is None and given is None and not usual:
        raise InputError(
            f"column {column.name!r} may hold the outputs for {two[0]!r} or for {two[1]!r}; put its class last: "
            f"--class-names {two[0]},{two[1]} or --class-names {two[1]},{two[0]}"
        )
    return two[::-1] if own == 0 else two


def natural(names: Iterable[str]) -> list[str]:
    """Whole numbers in their order, other texts in alphabetical order.

    >>> natural(["10", "9", "0"]), natural(["b", "a", "10"])
    (['0', '9', '10'], ['10', 'a', 'b'])
    """
    given = list(names)
    whole = all(re.fullmatch("-?[0-9]+", name) for name in given)
    return sorted(given, key=(lambda name: (int(name), name)) if whole else (lambda name: (0, name)))


def _name_lists(columns: list[Column]) -> list[list[str]]:
    """What may name the classes: the parts that `*` stands for, the names, and the names without words such as prob.

    Columns without a header are taken as those of classes 0, 1, ... in their order.
    """
    if columns[0].nameless:
        return [[str(i) for i in range(len(columns))]] if len(columns) > 1 else []
    names = [[column.name for column in columns], [_stripped(column.name) for column in columns]]
    parts = [column.part for column in columns if column.part is not None]
    return [parts, *names] if len(parts) == len(columns) else names


def _stripped(name: str) -> str:
    """A name without the words that say what the column holds: p_cat, prob(cat) and cat_score are cat."""
    while match := LEADING.match(name):
        name = name[match.end() :]
    while name != (shorter := TRAILING.sub("", name)):
        name = shorter
    return name


def _matched(texts: Sequence[str], names: Sequence[str]) -> NDArray[np.intp] | None:
    """For each text the place of its name: the same text, or up to case, signs between words, or zeros before a number.

    None unless every text has one name. Texts that differ in more than case have different names.
    """
    for same in (str, str.casefold, _bare, _number):
        places = {same(name): i for i, name in enumerate(names)}
        found = [places.get(same(text), -1) for text in texts]
        if len(places) == len(names) and -1 not in found and len(set(found)) == len(_without_case(texts)):
            return np.array(found, np.intp)
    return None


def _bare(text: str) -> str:
    """Letters and digits alone, with the sign of a number."""
    sign = "-" if re.match(r"-[0-9]", text) else ""
    return sign + re.sub(r"[\W_]", "", text.casefold())


def _number(text: str) -> str:
    return str(int(text)) if re.fullmatch("[0-9]+", text) and len(text) < 20 else text


def _without_case(texts: Iterable[str]) -> list[str]:
    return list({text.casefold(): text for text in texts}.values())


def _checked(given: Sequence[str], wanted: int) -> list[str]:
    names = [plain(name) for name in given]
    if len(names) != wanted or len(_without_case(names)) < wanted:
        raise InputError(
            f"--class-names must be {wanted} different names, the class of each column in their order, got "
            f"{len(names)}: {shown(names)}"
        )
    return names


def _refuse_other_order(option: str, columns: list[Column], given: list[str]) -> None:
    """Raise InputError where class names contradict those of the columns, or these stand in a doubtful order."""
    for own in _name_lists(columns):
        found = None if columns[0].nameless else _matched(own, given)
        if found is not None and (np.diff(found) < 0).any():
            raise InputError(
                f"--class-names has the classes of {shown([c.name for c in columns])} in another order than the "
                "columns, which have their names; leave --class-names out"
            )
    numbers = [int(c.part) for c in columns if c.part is not None and c.part.isdecimal() and len(c.part) < 20]
    if len(numbers) == len(columns) and sorted(numbers) != numbers:
        in_order = sorted(columns, key=lambda column: int(column.part or 0))
        raise InputError(
            f"--{option} matches {shown([c.name for c in columns])}, which is not the order of their numbers, so "
            "--class-names may follow either; list the columns in the order of the names: "
            f"--{option} {','.join(column.name for column in in_order)}"
        )


def codes(labels: Cells, names: list[str]) -> NDArray[np.intp]:
    """The place of each record's label among the names [N]. Raises InputError for a label that is none of them."""
    found = _matched(labels.distinct, names)
    if found is None:
        lost = [
            text for text in labels.distinct if text.casefold() not in {name.casefold() for name in names}
        ]
        raise InputError(
            f"--class-names must hold every label, got {shown(names)} without {shown(lost or labels.distinct)}; "
            "write the classes as the labels do"
        )
    return found[labels.codes]


def _without_column(option: str, columns: list[Column], labels: Cells) -> InputError:
    """The error for labels that no column is called after."""
    names = min(_name_lists(columns), key=lambda names: len({*labels.distinct} - {*names}))
    known = {name.casefold() for name in names}
    lost = natural(text for text in labels.distinct if text.casefold() not in known)
    counts = np.bincount(labels.codes, minlength=len(labels.distinct))
    first = lost[0] if lost else labels.distinct[0]
    records = int(counts[labels.distinct.index(first)])
    problem = (
        f"label {first!r} of {records:,} record{'s' * (records != 1)} has no column of its own among "
        f"{shown([column.name for column in columns])}"
    )
    classes = natural(labels.distinct)
    if len(classes) == len(columns):
        return InputError(
            f"{problem}; if these columns stand for the classes in the order {shown(classes)}, write --class-names "
            f"{','.join(classes)}, else in the order that is right"
        )
    return InputError(
        f"{problem}; the labels have {len(classes)} classes, the outputs {len(columns)} columns: choose a column for "
        f"every class with --{option}, or name the class of each column in their order with --class-names"
    )
