"""Hostile tables whose columns a caller chooses: the table, the choice, and whether what was read of it is right."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import leakbench
from leakbench.core.errors import InputError
from leakbench.data.audit_file.chosen_table import Choice, read_chosen

from . import hostile

N = 48
KINDS = ("csv", "csv.gz", "parquet", "frame", "words")
CLASSES = ("flu", "new york", "07", "-1", "é")
WORDS = (
    "", " ", "=", "split=", "=train", "split=train,test",
    "split='train'", "split=\0", "split=a\nb", "p_\nb,p_flu", '"', '"a', "*",
    "?", "[", "p_*,p_*", "p_[!a]", "1-9", "1-999999", "999999-1", "split", "p_flu", "Split=TRAIN", "x" * 200_000, "p_,",
    "split=train=test", "-1", "\ud800", "\x1b[31m", "p_flu,p_é", "diagnosis,", ",", "nowhere.csv", "/", ".", "٣",
)  # fmt: skip


class Given(NamedTuple):
    """A table and the choice of its columns."""

    source: Any
    choice: dict[str, Any]


def good(rng: hostile.Rng) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The columns of a good table, and a choice that fits."""
    classes = CLASSES[: int(rng.integers(2, len(CLASSES) + 1))]
    p = rng.dirichlet(np.ones(len(classes)), N)
    table = {
        "split": np.array(["train", "test"] * (N // 2)),
        "diagnosis": np.array(classes)[rng.integers(0, len(classes), N)],
    }
    choice: dict[str, Any] = {"members": hostile.chosen(rng, ("split=train", "split", "SPLIT = train"))}
    kind = hostile.chosen(rng, ("probs", "logits", "losses", "scores"))
    if kind in ("losses", "scores"):
        table["what"] = rng.exponential(size=N)
        return table, choice | {kind: "what"}
    for column, name in zip((p if kind == "probs" else np.log(p)).T, classes, strict=True):
        table[f"p_{name}"] = column
    choice |= {kind: hostile.chosen(rng, ("p_*", [f"p_{name}" for name in classes])), "labels": "diagnosis"}
    return table, choice


def hostile_table(number: int, folder: Path) -> Given:
    """The table and the choice of a number; files are in `folder`."""
    rng = np.random.default_rng([18, number])
    kind = KINDS[number % len(KINDS)]
    table, choice = good(rng)
    path = folder / f"{number}.{'csv' if kind == 'words' else kind}"
    if kind == "frame":
        return Given(_frame(table, rng), choice)
    if kind == "parquet":
        path.write_bytes(hostile.parquet(table, rng))
    elif kind == "words":
        path.write_bytes(_plain_csv(table))
        for _ in range(int(rng.integers(3))):
            field = hostile.chosen(rng, ("members", "nonmembers", "labels", "probs", "logits", "losses", "groups",
                                         "features", "class_names", "decimal", "delimiter", "header"))  # fmt: skip
            choice[field] = hostile.chosen(rng, WORDS) if field != "header" else False
    else:
        content = hostile.csv(table, rng)
        path.write_bytes(gzip.compress(content) if kind == "csv.gz" else content)
    return Given(path, choice)


def _plain_csv(table: dict[str, np.ndarray]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([table, *zip(*(column.tolist() for column in table.values()), strict=True)])
    return text.getvalue().encode()


def _frame(table: dict[str, np.ndarray], rng: hostile.Rng) -> Any:
    import pandas as pd

    name = hostile.chosen(rng, list(table))
    how = rng.integers(7)
    if how == 0:
        return hostile.chosen(
            rng, (None, 3, object(), [table], {}, {"a": None}, {1: [1]}, {"a": [[1], [1, 2]]}, b"csv")
        )
    if how == 1:
        return {**table, name: hostile.values(table[name], rng)}
    if how == 2:
        return hostile.renamed(table, rng)
    frame = pd.DataFrame(table)
    if how == 3:
        frame[name] = frame[name].astype(hostile.chosen(rng, ("category", "object", "string")))
    elif how == 4:
        frame.loc[int(rng.integers(N)), name] = None
    elif how == 5:
        return hostile.chosen(
            rng, (frame.set_index("split"), frame.T, frame[[*frame, name]], frame.iloc[:0], pa.table(table))
        )
    return frame


def outcome(given: Given, audited: bool) -> str:
    """ "refused" in one line, or "right": members and labels are those of the table, and it can be audited."""
    try:
        found = read_chosen(given.source, Choice.of(given.choice))
        _compare(found.arrays, given)
        if audited:
            leakbench.audit(given.source, attacks=["loss", "scores"], **given.choice)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000, error
        return "refused"
    return "right"


def _compare(arrays: dict[str, Any], given: Given) -> None:
    """Raise AssertionError unless members and labels are what the shortest reader finds, for a choice as it was."""
    if not (
        given.choice["members"].casefold().startswith("split") and given.choice.get("nonmembers") is None
    ):
        return
    split = _column(given, "split")
    if given.choice["members"] in ("split=train", "split", "SPLIT = train"):
        assert arrays["members"].tolist() == [text.casefold() == "train" for text in split]
    if given.choice.get("labels") == "diagnosis" and "class_names" not in given.choice:
        names = arrays["class_names"][arrays["labels"]]
        assert [_bare(name) for name in names] == [_bare(text) for text in _column(given, "diagnosis")]


def _bare(text: str) -> str:
    return text.strip().casefold().removesuffix(".0")


def _column(given: Given, name: str) -> list[str]:
    """The texts of a column, without rows that are empty."""
    if not isinstance(given.source, Path):
        table = pa.table(given.source)
    elif given.source.suffix == ".parquet":
        table = parquet.read_table(given.source)
    else:
        content = given.source.read_bytes()
        text = (gzip.decompress(content) if given.source.suffix == ".gz" else content).decode("utf-8-sig")
        mark = next((m for m in ";\t|" if m in text.splitlines()[0]), ",")
        header, *rows = [
            row
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark)
            if any(map(str.strip, row))
        ]
        place = [cell.strip().casefold() for cell in header].index(name)
        return [row[place].strip() for row in rows]
    place = [own.strip().casefold() for own in table.column_names].index(name)
    return [str(value).strip() for value in table.column(place).to_pylist()]
