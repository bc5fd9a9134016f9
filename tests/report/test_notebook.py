"""Results as people meet them in a notebook."""

import dataclasses

import pytest

from leakbench import InputError
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
