"""Results as people meet them in a notebook."""

import csv
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from leakbench import InputError, Results
from leakbench.core.results import Row

from . import example


def test_the_text_is_the_title_and_the_verdict() -> None:
    results = example.audit()
    assert repr(results) == f"<Results of {results.title!r}: {results.verdict.text}>"


def test_the_html_holds_the_table_of_the_report_and_escapes_what_it_is_given() -> None:
    results = dataclasses.replace(example.audit(), title="<script>alert(1)</script>")
    html = results._repr_html_()
    assert "&lt;script&gt;" in html and "<script" not in html
    assert results.verdict.text in html and html.count("<tr>") > 2 and "<th>AUC</th>" in html


def test_the_frame_has_a_line_for_each_row() -> None:
    pytest.importorskip("pandas")
    results = example.audit()
    frame = results.to_frame()
    assert list(frame.columns) == [f.name for f in dataclasses.fields(Row)]
    assert frame.value.tolist() == pytest.approx([row.value for row in results.rows], nan_ok=True)


def test_without_pandas_the_frame_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leakbench.report.results.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install pandas"):
        example.audit().to_frame()


def test_the_csv_has_a_line_for_each_row(tmp_path: Path) -> None:
    results = example.audit()
    results.to_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == [f.name for f in dataclasses.fields(Row)]
    assert [float(line["value"]) for line in lines] == [row.value for row in results.rows]
    assert [json.loads(line["detail"]) for line in lines] == [row.detail for row in results.rows]


def test_the_latex_has_the_table_of_the_report() -> None:
    text = example.run().to_latex()
    lines = text.splitlines()
    assert lines[:2] == [r"\begin{tabular}{lrrrrrr}", r"\toprule"] and lines[-2:] == [
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert all(line.count(" & ") == 6 for line in lines if line.endswith(r"\\"))
    assert r"label\_smoothing {\footnotesize by rmia} & 96.2 \% {\footnotesize [95.6, 96.8]}" in text
    assert text.isascii()


def test_hostile_names_do_not_break_the_latex() -> None:
    row = Row("auc", 0.5, 0.4, 0.6, attack=r"[a]\b & {c}_$%#^~", slice="all")
    (line,) = [line for line in Results("audit", "t", [row]).to_latex().splitlines() if "0.5" in line]
    assert line.startswith(
        r"{}[a]\textbackslash{}b \& \{c\}\_\$\%\#\textasciicircum{}\textasciitilde{} & 0.5"
    )


def test_a_figure_has_the_numbers_of_the_rows_and_leaves_pyplot_alone() -> None:
    results = example.run()
    axes = results.plot_attacks("auc", "temperature")
    names = [label.get_text() for label in axes.get_yticklabels()]
    drawn = {name: line.lines[0].get_xdata()[0] for name, line in zip(names, axes.containers, strict=True)}
    for attack in ("lira", "gap"):
        for adaptive, name in ((True, attack), (False, f"{attack}, non-adaptive")):
            (row,) = results.find(
                metric="auc",
                attack=attack,
                defence="temperature",
                adaptive=adaptive,
                slice="all",
                target="all",
            )
            assert drawn[name] == row.value
    assert results.plot_attacks(ax=axes) is axes
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_the_roc_shows_the_strongest_attack_on_each_defence_or_the_attacks_on_one() -> None:
    results = example.run()
    defences = [text.get_text() for text in results.plot_roc().get_legend().get_texts()]
    assert defences == ["chance", "none", "label_smoothing", "early_stopping", "weight_decay", "temperature"]
    attacks = [text.get_text() for text in results.plot_roc("temperature").get_legend().get_texts()]
    assert attacks[:3] == ["chance", "rmia", "lira"] and len(attacks) == 9
    (curve,) = [
        c for c in results.curves if (c.defence, c.attack, c.adaptive) == ("temperature", "rmia", True)
    ]
    assert results.plot_roc("temperature").lines[1].get_ydata()[-5:].tolist() == curve.tpr[-5:]


def test_the_tradeoff_has_a_mark_for_each_defence() -> None:
    axes = example.run().plot_tradeoff()
    named = [each for each in axes.containers if not str(each.get_label()).startswith("_")]
    assert [each.get_label() for each in named] == [
        "none",
        "label_smoothing",
        "early_stopping",
        "weight_decay",
        "temperature",
    ]


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: example.run().plot_roc("nobody"), "unknown defence 'nobody'"),
        (lambda: example.audit().plot_attacks("aucc"), "did you mean 'auc'"),
        (lambda: example.audit().plot_tradeoff(), "two defences or more"),
        (
            lambda: Results("audit", "t", [Row("auc", 0.5, attack="loss")]).plot_roc(),
            "needs results with ROC curves",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw: Callable[[], object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        draw()
