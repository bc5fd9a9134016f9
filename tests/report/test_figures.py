"""The figures of the page: positions and ticks, a different mark for each defence, and the values of each mark."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakbench.core.results import Row
from leakbench.report.figures.roc import roc, slices
from leakbench.report.figures.svg import SHAPES, TONES, Plot, Scale, even_ticks, rate_ticks
from leakbench.report.figures.tradeoff import tradeoff
from leakbench.report.results import Results
from leakbench.report.view import MOST_DRAWN, View

from . import example

MARK = re.compile(r'<path d="([^"]+)" transform="[^"]+" fill="([^"]+)" stroke="([^"]+)"[^>]*>(<title>)?')


def marks(drawn: object) -> list[tuple[str, ...]]:
    """The shape, the filling, the edge and the title of every mark."""
    return [found for found in MARK.findall(str(drawn)) if found[0] in SHAPES]


def many(n: int) -> Results:
    """A study of `n` defences, each less accurate and less leaky than the one before, and adaptive or not."""
    rows: list[Row] = []
    for k in range(n):
        defence = f"d{k:02}" if k else "none"
        rows.append(Row("accuracy", 0.95 - 0.01 * k, 0.94 - 0.01 * k, 0.96 - 0.01 * k, defence=defence))
        for adaptive in (True, False):
            about = {"defence": defence, "attack": "loss", "adaptive": adaptive}
            rows += example.gaussian((1.2 - 0.02 * k) * (1.0 if adaptive else 0.8), 20_000, **about)
    return Results("run", "many", rows)


def test_a_scale_keeps_to_its_ends() -> None:
    scale = Scale(0.01, 1.0, 0, 100, math.log10)
    assert [scale(v) for v in (0.0, 0.01, 0.1, 1.0, 2.0)] == pytest.approx([0, 0, 50, 100, 100])
    rows = Scale(3.5, -0.5, 0, 80)
    assert [rows(v) for v in (3, 1, 0)] == pytest.approx([10, 50, 70])
    assert Scale(1.0, 1.0, 5, 50)(1.0) == 5


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_few_and_within_the_axis(low: float, span: float) -> None:
    ticks = [value for value, _ in even_ticks(low, low + span, str)]
    assert 1 <= len(ticks) <= 6
    assert all(low - 1e-6 * span <= t <= low + span * (1 + 1e-6) for t in ticks)


def test_rates_are_labelled_in_percent() -> None:
    assert [label for _, label in rate_ticks(1e-4, 1.0)] == ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]
    assert [label for _, label in rate_ticks(0.01, 0.1)] == ["1 %", "2 %", "5 %", "10 %"]


def test_steps_keep_each_value_until_the_next() -> None:
    plot = Plot(10, 10, 0, 0, 0, 0)
    plot.across(0, 10)
    plot.up(0, 10)
    plot.steps([0, 2, 4, 10], [0, 5, 5, 10], "ink")
    assert 'd="M0 10H2V5H10V0' in str(plot.svg(""))


@pytest.mark.parametrize("n", [4, 26, 56])
def test_of_many_defences_twelve_are_drawn_and_no_two_alike(n: int) -> None:
    view = View(many(n))
    drawn = marks(tradeoff(view))
    kinds = [mark[:3] for mark in drawn]
    assert len(set(kinds)) == len(kinds) == 2 * min(n, MOST_DRAWN)
    assert all(mark[3] for mark in drawn)  # hovering shows its numbers
    assert "none" in view.drawn and (n <= MOST_DRAWN or len(view.drawn) == MOST_DRAWN)


def test_the_defences_drawn_are_the_extremes_and_those_that_no_other_beats() -> None:
    results = many(26)
    worse = [
        replace(r, value=0.5) if (r.metric, r.defence) == ("accuracy", "d25") else r for r in results.rows
    ]
    assert View(results).drawn == ["none", *(f"d{k}" for k in range(15, 26))]  # all are on the frontier
    assert View(replace(results, rows=worse)).drawn[-1] == "d25"  # which still leaks least
    leaky = [replace(r, value=r.value - 0.3) if r.attack and r.defence == "d03" else r for r in results.rows]
    assert "d03" in View(replace(results, rows=leaky)).drawn


def test_series_differ_in_colour_or_shape() -> None:
    assert len(SHAPES) * TONES >= MOST_DRAWN


def test_every_curve_and_every_slice_tells_its_numbers() -> None:
    view = View(example.run())
    curves = str(roc(view, "temperature"))
    assert curves.count("<title>") == 2 * len(example.ATTACKS)
    assert "<title>lira, adaptive: AUC 0." in curves
    rows = str(slices(view, "none"))
    assert rows.count("<title>") == len(marks(rows)) == 1 + len(example.SLICES)
    assert "<title>all records 0." in rows


def test_drawing_the_page_needs_no_matplotlib() -> None:
    code = "import sys; from tests.report import example; example.page('audit'); assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
