"""Tables as people have them: the same records in every dialect give the same arrays; a doubtful choice is refused."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import leakbench
from leakbench.core.errors import InputError
from leakbench.data.audit_file.chosen_table import Choice
from leakbench.data.audit_file.read import from_arrays, read_columns

CLASSES = (
    ["0", "1", "2"],
    ["9", "10", "100"],
    ["-1", "1"],
    ["benign", "in situ", "malignant"],
    ["NA", "no", 'Å, "x"'],
    ["false", "true"],
)
SPLITS = (
    ("train", "test"),
    ("1", "0"),
    ("1", "-1"),
    ("yes", "no"),
    ("True", "False"),
    ("1.0", "0.0"),
    ("IN", "out"),
)
FORMS = ("csv", "tsv", "txt", "csv.gz", "parquet", "xlsx", "frame", "mapping", "two")
COLUMNS = ("p_{}", "{} (prob)", "P({})", "pred.{}")


@st.composite
def audits(draw):
    """Probabilities, the class of each record by name, and membership."""
    classes = draw(st.sampled_from(CLASSES))
    n, c = draw(st.integers(4, 8)), len(classes)
    weights = np.array(draw(st.lists(st.integers(1, 10**6), min_size=n * c, max_size=n * c)), float).reshape(
        n, c
    )
    labels = np.array(draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n)))
    labels[:c] = range(c)
    members = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    members[:2] = True, False
    return weights / weights.sum(axis=1, keepdims=True), labels, members, classes


def workbook(path, rows):
    """A sheet of numbers and inline text, as small as Excel reads it."""

    def cell(value):
        if isinstance(value, float | int):
            return f"<c><v>{value!r}</v></c>"
        return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'

    lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    main, office = (
        f"http://schemas.openxmlformats.org/{name}"
        for name in ("spreadsheetml/2006/main", "officeDocument/2006")
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"

    def relation(kind, target):
        kind = f"{office}/relationships/{kind}"
        one = f'<Relationship Id="a" Type="{kind}" Target="{target}"/>'
        return f'<Relationships xmlns="{package}">{one}</Relationships>'

    sheets = '<sheets><sheet name="A" sheetId="1" r:id="a"/></sheets>'
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("_rels/.rels", relation("officeDocument", "xl/workbook.xml"))
        book.writestr("xl/_rels/workbook.xml.rels", relation("worksheet", "worksheets/sheet1.xml"))
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}/relationships">{sheets}</workbook>',
        )
        book.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
        )
    return path


def text(rows, draw, decimal, delimiter):
    """The rows in a dialect of CSV, with some of the things that spreadsheets and scripts leave in it."""
    file = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer = csv.writer(
        file, delimiter=delimiter, quoting=quoting, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))
    )
    pad = draw(st.sampled_from(["", " "]))
    for row in rows:
        cells = [repr(v).replace(".", decimal) if isinstance(v, float) else pad + v for v in row]
        writer.writerow(cells)
    if draw(st.booleans()):
        writer.writerow([""] * len(rows[0]))
    return (("\ufeff" if draw(st.booleans()) else "") + file.getvalue()).encode()


def written(draw, folder, form, header, rows, header_line):
    """The table in a form, and what must be said to read it."""
    all_rows = [header, *rows] if header_line else rows
    if form == "xlsx":
        return workbook(folder / "a.xlsx", all_rows), {}
    if form in ("frame", "mapping", "parquet"):
        columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
        frame = pd.DataFrame(columns)
        if form == "parquet":
            frame.to_parquet(folder / "a.parquet")
            return folder / "a.parquet", {}
        return (frame if form == "frame" else columns), {}
    decimal = draw(st.sampled_from([".", ","]))
    delimiter = "\t" if form == "tsv" else draw(st.sampled_from(sorted({",", ";", "\t", "|"} - {decimal})))
    content = text(all_rows, draw, decimal, delimiter)
    (folder / f"a.{form}").write_bytes(gzip.compress(content) if form == "csv.gz" else content)
    told = {"delimiter": delimiter} if draw(st.booleans()) else {}
    return folder / f"a.{form}", told | ({} if decimal == "." else {"decimal": ","})


def assert_same(found, expected):
    """Everything that an audit computes with is the same bit for bit."""
    np.testing.assert_array_equal(found.models.signals.logits, expected.models.signals.logits)
    np.testing.assert_array_equal(found.models.signals.labels, expected.models.signals.labels)
    np.testing.assert_array_equal(found.models.members, expected.models.members)
    assert found.class_names == expected.class_names
    assert found.models.signals.resolutions == expected.models.signals.resolutions
    assert found.fingerprint == expected.fingerprint


@settings(max_examples=60, deadline=None)
@given(made=audits(), form=st.sampled_from(FORMS), data=st.data())
def test_every_dialect_gives_the_same_arrays(tmp_path_factory, made, form, data):
    probs, labels, members, classes = made
    draw, folder = data.draw, tmp_path_factory.mktemp("table")
    yes, no = draw(st.sampled_from(SPLITS))
    pattern = draw(st.sampled_from(COLUMNS))
    order = draw(st.permutations(range(len(classes))))
    header = ["id", "Split", "diagnosis", *(pattern.format(classes[c]) for c in order)]
    rows = [
        [f"r{i}", yes if members[i] else no, classes[labels[i]], *(float(probs[i, c]) for c in order)]
        for i in range(len(labels))
    ]
    expected = from_arrays(probs=probs, labels=labels, members=members, class_names=classes)
    if form == "two":
        parts = [[row for row, m in zip(rows, members, strict=True) if m == side] for side in (True, False)]
        (folder / "members").mkdir()
        source, told = written(draw, folder / "members", "csv", header, parts[0], True)
        others = workbook(folder / "others.xlsx", [header[::-1], *(row[::-1] for row in parts[1])])
        told |= {"nonmembers": others}
        if "delimiter" in told and "decimal" not in told:
            told.pop("delimiter")
        first = np.argsort(~members, kind="stable")
        expected = from_arrays(
            probs=probs[first], labels=labels[first], members=members[first], class_names=classes
        )
        if "decimal" in told:
            return  # a workbook has numbers, whose mark is the point
    else:
        headed = form in ("frame", "mapping", "parquet") or draw(st.booleans())
        source, told = written(draw, folder, form, header, rows, headed)
        told |= {"members": f"split={yes}" if draw(st.booleans()) else "split"}
        if not headed:
            told |= {"header": False, "members": f"2={yes}", "labels": "3", "probs": f"4-{3 + len(classes)}"}
            told["class_names"] = [classes[c] for c in order]
            expected = from_arrays(
                probs=probs[:, order],
                labels=np.argsort(order)[labels],
                members=members,
                class_names=told["class_names"],
            )
    told = {"labels": "diagnosis", "probs": pattern.format("*")} | told
    found = read_columns(source, Choice.of(told))
    assert_same(found, expected)
    assert found.understood[0].startswith(f"{len(labels)} records, {len(classes)} classes, members ")


@settings(max_examples=40, deadline=None)
@given(
    made=audits().filter(lambda made: len(made[3]) == 2),
    decimals=st.sampled_from([2, 4, 17]),
    second=st.booleans(),
)
def test_one_column_for_two_classes_equals_both(made, decimals, second):
    probs, labels, members, classes = made
    column = np.round(probs[:, int(second)], decimals)
    both = [[float(f"{1 - p:.{decimals}f}") if decimals < 17 else 1 - p, p] for p in column]
    table = {f"p_{classes[second]}": column, "y": [classes[i] for i in labels], "member": members}
    found = read_columns(table, Choice.of({"probs": "p_*", "labels": "y"}))
    expected = from_arrays(
        probs=np.array(both),
        labels=labels == second,
        members=members,
        class_names=[classes[1 - second], classes[second]],
    )
    np.testing.assert_array_equal(found.models.signals.logits, expected.models.signals.logits)
    np.testing.assert_array_equal(found.models.signals.labels, expected.models.signals.labels)
    assert found.models.signals.resolutions == expected.models.signals.resolutions
    assert found.class_names == expected.class_names


THREE = "split,y,p_a,p_b,p_c\ntrain,a,.5,.25,.25\ntest,b,.25,.5,.25\ntrain,c,.25,.25,.5\ntest,a,.5,.25,.25\n"
NUMBERED = (
    "split,y,p_0,p_1,p_2\ntrain,0,.5,.25,.25\ntest,1,.25,.5,.25\ntrain,2,.25,.25,.5\ntest,0,.5,.25,.25\n"
)
TWO = "m,y,score\n1,sick,.5\n0,well,.25\n1,well,.25\n0,sick,.75\n"
TOLD = {"members": "split=train", "labels": "y", "probs": "p_*"}
SINGLE = {"members": "m", "labels": "y", "probs": "score"}
REFUSED = {
    "no such value": (
        THREE,
        {"members": "split=trian"},
        "unknown value of split: 'trian'; did you mean 'train'?",
    ),
    "no such column": (THREE, {"labels": "Z"}, "unknown column of"),
    "no such pattern": (THREE, {"probs": "q*"}, "--probs 'q*' matches no column of"),
    "no members": (
        THREE,
        {"members": None},
        "say which records are the members, such as --members split=train",
    ),
    "no outputs": (
        THREE,
        {"probs": None},
        "say which columns hold the outputs of the model, such as --probs 'p_*'",
    ),
    "three values": (
        THREE.replace("train,c", "val,c"),
        {},
        "say which records are the non-members, such as --nonmembers split=test",
    ),
    "three values, no words": (
        THREE.replace("train,c", "val,c"),
        {"members": "split"},
        "say which of them are the members, such as --members split=train",
    ),
    "one value": (THREE.replace("test", "train"), {}, "every record has split = train"),
    "both": (
        THREE,
        {"nonmembers": "y=a"},
        "record 0 is both, a member where split = train and a non-member where y = a",
    ),
    "the opposite": (
        THREE.replace("train", "0").replace("test", "1").replace("split", "is_test"),
        {"members": "is_test"},
        "may mark the non-members",
    ),
    "twice": (THREE.replace("p_b", "p_a"), {}, "2 columns are called 'p_a'"),
    "chosen twice": (THREE, {"probs": "p_*,p_a"}, "chooses the column 'p_a' twice"),
    "one alone": (THREE, {"labels": "p_a,y"}, "--labels must be one column, got p_a, y"),
    "a class without a column": (
        THREE,
        {"probs": "p_a,p_b"},
        "label 'c' of 1 record has no column of its own among p_a, p_b",
    ),
    "one column, three classes": (
        THREE,
        {"probs": "p_a"},
        "choose a column for each class, such as --probs 'p_*'",
    ),
    "columns without names": (
        THREE.replace("p_", "p_x"),
        {},
        "write --class-names a,b,c, else in the order that is right",
    ),
    "labels from 1": (
        NUMBERED.replace("train,2", "train,3"),
        {},
        "label '3' of 1 record has no column of its own",
    ),
    "10 before 2": (
        NUMBERED.replace("p_1", "p_10").replace(",0,", ",x,"),
        {"class_names": "x,1,2"},
        "list the columns in the order of the names: --probs p_0,p_2,p_10",
    ),
    "names against names": (THREE, {"class_names": "b,a,c"}, "leave --class-names out"),
    "too few names": (THREE, {"class_names": "a,b"}, "--class-names must be 3 different names"),
    "a name twice": (THREE, {"class_names": "a,b,B"}, "--class-names must be 3 different names"),
    "other names": (
        THREE.replace("p_", "x"),
        {"class_names": "a,b,d", "probs": "x*"},
        "must hold every label, got a, b, d without c",
    ),
    "a sum of 2": (THREE.replace(".5", "1"), {}, "probs must sum to 1 over the classes"),
    "logits": (
        THREE.replace(".25", "-2"),
        {},
        "if these are values before the softmax or the sigmoid, write --logits",
    ),
    "log-probabilities": (
        THREE.replace(".25", "-1.3862943").replace(".5", "-.6931472"),
        {},
        "write --logits, which takes them too",
    ),
    "percent": (
        THREE.replace(".25", "25").replace(".5", "50"),
        {},
        "if these are percentages, divide them by 100",
    ),
    "signs of percent": (THREE.replace(".25", "25%"), {}, "write plain numbers such as 0.25"),
    "probabilities": (
        THREE,
        {"probs": None, "logits": "p_*"},
        "which are probabilities; write --probs instead",
    ),
    "an empty cell": (
        THREE.replace(".25,.5\n", ".25,\n"),
        {},
        "column 'p_c' must have a value in every row, got an empty cell in record 2",
    ),
    "an empty label": (
        THREE.replace("train,c", "train,"),
        {},
        "column 'y' must have a value in every row, got an empty cell in record 2",
    ),
    "NaN": (
        THREE.replace(".25,.5\n", ".25,NaN\n"),
        {},
        "column 'p_c' must have a value in every row, got an empty cell in record 2",
    ),
    "decimal commas": (
        THREE.replace(",", ";").replace(".", "0,"),
        {},
        "if the comma is the decimal mark, write --decimal ,",
    ),
    "decimal points": (
        THREE.replace(",", ";"),
        {"decimal": ","},
        "must have the decimal mark ',' as --decimal says, got '.5'",
    ),
    "thousands": (THREE.replace(".25", '"1,234.5"'), {}, "write plain numbers such as 0.25, without"),
    "a short line": (THREE + "train,a\n", {}, "line 6 must have as many cells as the header, 5"),
    "no header": (THREE[THREE.index("\n") + 1 :], {}, "write --no-header and count the columns from 1"),
    "a header after all": (
        THREE,
        {"header": False, "members": "1=train,split", "labels": "2", "probs": "3-5"},
        "if it names the column, leave --no-header out",
    ),
    "no header, no names": (
        THREE[THREE.index("\n") + 1 :],
        {"header": False, "members": "1=train", "labels": "2", "probs": "3-5"},
        "write --class-names a,b,c",
    ),
    "several marks": ("a;b,c;d\n1;2,3;4\n", {}, "say by which, such as --delimiter ';'"),
    "no records": (THREE[: THREE.index("\n") + 1], {}, "holds no records"),
    "which of two": (TWO, SINGLE, "--class-names sick,well or --class-names well,sick"),
    "the wrong of two": (
        TWO.replace("score", "p_sick"),
        SINGLE | {"probs": "p_sick", "class_names": "sick,well"},
        "put the class of the column last",
    ),
    "one logit": (
        TWO,
        SINGLE | {"probs": None, "logits": "score", "class_names": "sick,well"},
        "which are probabilities; write --probs",
    ),
    "one log-probability": (
        TWO.replace(".", "-1."),
        SINGLE | {"class_names": "sick,well"},
        "or their exponentials if they are logarithms",
    ),
    "a decimal mark": (THREE, {"decimal": "x"}, "--decimal must be . or ,"),
    "a delimiter": (THREE, {"delimiter": "::"}, "--delimiter must be one of"),
    "a line break": (THREE, {"probs": "p_a,p\nb"}, "--probs must be names with commas between them"),
    "a line break in a value": (
        THREE,
        {"members": "split=a\nb"},
        "--members split must be names with commas",
    ),
    "empty rows alone": ("split,y,p_a,p_b\n,,,\n", {}, "holds no records; write one row for each"),
    "another keyword": (THREE, {"weights": "y"}, "unknown choice of columns 'weights'"),
    "an array": (THREE, {"labels": np.zeros(4)}, "labels must name columns of the table"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_doubtful_choice_is_refused(tmp_path, case):
    content, changes, says = REFUSED[case]
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_columns(tmp_path / "a.csv", Choice.of((SINGLE if content == TWO else TOLD) | changes))
    assert says in str(refused.value), refused.value
    assert "\n" not in str(refused.value)


READ = {
    "as they are": (
        THREE,
        {},
        "4 records, 3 classes, members where split = train: 2, non-members: 2",
        "labels: y; probs: p_a, p_b, p_c of classes a, b, c",
    ),
    "by the words": (THREE, {"members": "split"}, "members where split = train: 2, non-members: 2", ""),
    "a third value": (
        THREE.replace("train,c", "val,c"),
        {"nonmembers": "split=test"},
        "members where split = train: 1, non-members where split = test: 2; 1 other record is left out",
        "",
    ),
    "two values": (
        THREE.replace("train,c", "val,c"),
        {"members": "split=train,val"},
        "members where split = train, val: 2, non-members: 2",
        "",
    ),
    "a number": (
        THREE.replace("train", "1.0").replace("test", "2.0"),
        {"members": "split=1"},
        "members where split = 1: 2",
        "",
    ),
    "a column whose name has the mark": (
        THREE.replace("split", "a=b").replace("train", "1").replace("test", "0"),
        {"members": "a=b"},
        "members where a=b = 1: 2",
        "",
    ),
    "a class without records": (
        THREE.replace("train,c", "train,b"),
        {},
        "4 records, 3 classes",
        "of classes a, b, c",
    ),
    "columns in another order": (
        "p_c,p_a,split,y,p_b\n.2,.5,train,A,.3\n.2,.5,test,a,.3\n.2,.2,test,c,.6\n",
        {},
        "3 classes",
        "probs: p_a, p_b, p_c of classes",
    ),
    "10 before 2": (
        NUMBERED.replace("p_1", "p_10").replace("test,1", "test,10"),
        {},
        "3 classes",
        "probs: p_0, p_2, p_10 of classes 0, 2, 10",
    ),
    "floats as labels": (NUMBERED.replace("train,2", "train,2.0"), {}, "3 classes", "of classes 0, 1, 2"),
    "zeros before": (
        NUMBERED.replace("p_", "p_0"),
        {},
        "3 classes",
        "probs: p_00, p_01, p_02 of classes 0, 1, 2",
    ),
    "other signs": (
        THREE.replace("p_c", "p_New.York").replace("train,c", "train,new york"),
        {},
        "",
        "probs: p_a, p_b, p_New.York of classes a, b, new york",
    ),
    "logarithms": (
        THREE.replace(".25", "-1.3862943611198906").replace(".5", "-.6931471805599453"),
        {"probs": None, "logits": "p_*"},
        "",
        "logits: p_a, p_b, p_c of classes a, b, c",
    ),
    "one column": (
        TWO,
        SINGLE | {"class_names": "well,sick"},
        "4 records, 2 classes, members where m = 1: 2",
        "probs: score of class sick",
    ),
    "one column, named": (
        TWO.replace("score", "Prob(Sick)"),
        SINGLE | {"probs": "Prob(Sick)"},
        "",
        "of class sick",
    ),
    "one column of 0 and 1": (
        TWO.replace("sick", "1").replace("well", "0"),
        SINGLE,
        "",
        "probs: score of class 1",
    ),
    "one column of class 0": (
        TWO.replace("score", "p0").replace("sick", "1").replace("well", "0"),
        SINGLE | {"probs": "p0"},
        "",
        "probs: p0 of class 0",
    ),
    "no labels": (
        THREE.replace("y", "z"),
        {"labels": None},
        "4 records, 3 classes, members",
        "probs: p_a, p_b, p_c of classes a, b, c",
    ),
    "losses": (
        TWO,
        SINGLE | {"probs": None, "losses": "score"},
        "4 records, 2 classes, members where m = 1: 2",
        "labels: y; losses: score",
    ),
    "empty rows": (THREE + "\n,,,,\n , ,,,\n", {}, "4 records", ""),
    "no header": (
        THREE[THREE.index("\n") + 1 :],
        {"header": False, "members": "1=train", "labels": "2", "probs": "3-5", "class_names": "a,b,c"},
        "4 records",
        "probs: 3, 4, 5 of classes a, b, c",
    ),
    "no header, numbers": (
        NUMBERED[NUMBERED.index("\n") + 1 :],
        {"header": False, "members": "1=train", "labels": "2", "probs": "3-5"},
        "4 records",
        "probs: 3, 4, 5 of classes 0, 1, 2",
    ),
    "duplicates elsewhere": (
        THREE.replace("split,y", "id,id,split,y")
        .replace("\ntrain", "\n1,2,train")
        .replace("\ntest", "\n1,2,test"),
        {},
        "4 records",
        "",
    ),
}


@pytest.mark.parametrize("case", READ)
def test_a_clear_choice_is_read(tmp_path, case):
    content, changes, first, second = READ[case]
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    found = read_columns(tmp_path / "a.csv", Choice.of((SINGLE if content == TWO else TOLD) | changes))
    assert first in found.understood[0] and second in found.understood[1], found.understood


def test_a_column_of_half_precision_is_read():
    table = {
        "split": ["train", "test"] * 2,
        "y": np.array([0, 1, 0, 1], np.float16),
        "p": np.float16([0.5] * 4),
    }
    found = read_columns(table, Choice(members="split", labels="y", probs="p"))
    assert found.models.signals.labels.tolist() == [0, 1, 0, 1]


def test_a_pattern_of_many_stars_takes_no_time():
    table = {"split": ["train", "test"], "a" * 5000: [0.5, 0.25]}
    with pytest.raises(InputError, match="matches no column"):
        read_columns(table, Choice(members="split", losses=None, probs="*a" * 30 + "*b"))


def test_groups_and_features():
    table = {
        "split": ["train", "test"] * 2,
        "p": [0.5] * 4,
        "site": ["n", "s", "n", "s"],
        "age": [30, None, 40.5, 50],
    }
    found = read_columns(
        table, Choice.of({"members": "split", "probs": "p", "groups": "site", "features": ["age", "site"]})
    )
    assert found.groups["site"].tolist() == ["n", "s", "n", "s"]
    assert found.features.tolist() == [["30", "n"], ["", "s"], ["40.5", "n"], ["50", "s"]]
    assert found.understood[1] == "probs: p of class p; groups: site; features: age, site" and not found.notes


def test_two_tables_of_which_one_has_no_members(tmp_path):
    for name, rows in (("a.csv", THREE), ("b.csv", THREE)):
        (tmp_path / name).write_text(rows)
    told = TOLD | {"members": None, "nonmembers": str(tmp_path / "b.csv")}
    found = read_columns(tmp_path / "a.csv", Choice.of(told))
    assert found.understood[0] == "8 records, 3 classes, members in a.csv: 4, non-members in b.csv: 4"
    assert found.models.members[0].tolist() == [True] * 4 + [False] * 4
    with pytest.raises(InputError, match="both say who the members are; leave one of them out"):
        read_columns(tmp_path / "a.csv", Choice.of(told | {"members": "split=train"}))


def test_columns_are_chosen_in_tables_alone(tmp_path):
    np.savez(tmp_path / "a.npz", losses=np.ones(4), members=np.arange(4) % 2)
    with pytest.raises(InputError, match="must be a table to choose columns from"):
        leakbench.audit(tmp_path / "a.npz", members="split=train")
    with pytest.raises(InputError, match="give a path, a data frame or a mapping of columns, got int"):
        leakbench.audit(7)


def test_a_damaged_workbook(tmp_path):
    good = workbook(tmp_path / "a.xlsx", [["loss", "member"], [0.5, 1], [0.7, 0]]).read_bytes()
    for damaged in (
        b"no workbook",
        good[:-30],
        good.replace(b"PK\x01\x02", b"PK\x01\x03"),
        good.replace(b"<row>", b"<rwo>"),
    ):
        (tmp_path / "a.xlsx").write_bytes(damaged)
        with pytest.raises(InputError, match=r"is damaged or cut short|must have one sheet with cells"):
            leakbench.audit(tmp_path / "a.xlsx")


def test_the_record_says_how_the_table_was_read(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"part": ["train", "test"] * 50, "nll": rng.exponential(size=100), "y": ["a", "b"] * 50}
    )
    results = leakbench.audit(frame, members="part", losses="nll", labels="y", attacks="loss")
    assert results.provenance["data"]["read_as"] == (
        "100 records, 2 classes, members where part = train: 50, non-members: 50; labels: y; losses: nll"
    )
    same = leakbench.audit(
        losses=frame["nll"], labels=frame["y"], members=frame["part"] == "train", attacks="loss"
    )
    assert [row.value for row in results.rows] == [row.value for row in same.rows]


class Stream:
    """A table that offers Arrow's stream and nothing else, as other libraries' tables do."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def of_views(table: pa.Table) -> pa.Table:
    """The table with text as views, in a dictionary too, as Polars gives it."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            views = pa.array(table.column(i).to_pylist(), pa.string_view())
            table = table.set_column(i, field.name, views.dictionary_encode() if i % 2 else views)
    return table


def polars_frame(table: pa.Table) -> Any:
    return pytest.importorskip("polars").from_arrow(table)


@pytest.mark.parametrize("made", [Stream, of_views, lambda table: Stream(of_views(table)), polars_frame])
def test_tables_of_other_libraries(made: Callable[[pa.Table], Any]) -> None:
    columns = {
        "split": ["train", "test"] * 4, "y": ["a", "b", "b", "b", "a", "b", "a", "a"], "p_a": np.linspace(0.1, 0.9, 8),
        "p_b": 1 - np.linspace(0.1, 0.9, 8), "site": ["x", None] * 4, "note": [b"1", b"2"] * 4,
    }  # fmt: skip
    choice = Choice(members="split=train", labels="y", probs="p_*", features="site")
    want, found = (read_columns(f(pa.table(columns)), choice) for f in (lambda table: table, made))
    assert found.fingerprint == want.fingerprint and found.understood == want.understood
