"""Two numbers of each defence against each other, with both intervals."""

from collections.abc import Sequence
from functools import partial

from ...core.results import Row
from ..numbers import finite, scale, show
from ..view import View
from .point_labels import Labelled, name_points
from .svg import INK, Plot, ends_of, even_ticks, plain_number, tone

MOST_NAMED = 12  # points that get their names; more are drawn as numbers, which a table explains


def numbered(view: View) -> bool:
    """Whether the points of a figure are numbers instead of named marks."""
    return len(view.defences) > MOST_NAMED


def number(view: View, defence: str) -> int:
    """The number of a defence, from 1."""
    return view.defences.index(defence) + 1


def scattered(view: View, points: Sequence[tuple[str, Row, Row]], titles: tuple[str, str]) -> Plot:
    """A figure with one mark for each (defence, x, y), and `titles` on the axes."""
    plot = Plot(350.0, 300.0, left=50, right=14, top=10, bottom=42)
    plot.across(*ends_of(((x.value, x.lo, x.hi) for _, x, _ in points), pad=0.08))
    plot.up(*ends_of(((y.value, y.lo, y.hi) for *_, y in points), pad=0.08))
    x_ticks = even_ticks(plot.x.low, plot.x.high, partial(_tick, points[0][1]))
    plot.axes(x_ticks, even_ticks(plot.y.low, plot.y.high, partial(_tick, points[0][2])), *titles)
    for defence, x, y in points:
        ink = tone(view.series(defence))
        if finite(x.lo) and finite(x.hi):
            plot.line([(x.lo, y.value), (x.hi, y.value)], ink)
        if finite(y.lo) and finite(y.hi):
            plot.line([(x.value, y.lo), (x.value, y.hi)], ink)
    for defence, x, y in points:
        told = f"{defence}: {titles[0]} {show(x)}, {titles[1]} {show(y)}"
        if numbered(view):
            at = plot.x(x.value), plot.y(y.value) + 4
            plot.text(*at, str(number(view, defence)), INK, anchor="middle", title=told)
        else:
            plot.mark(x.value, y.value, view.series(defence), told)
    if not numbered(view):
        name_points(plot, [Labelled(d, (plot.x(x.value), plot.y(y.value))) for d, x, y in points])
    return plot


def _tick(row: Row, value: float) -> str:
    """A value on the axis of the row's metric: percent where the table has percent."""
    return plain_number(value * scale(row).factor) + (" %" if scale(row).suffix == " %" else "")
