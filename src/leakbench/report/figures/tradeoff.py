"""The trade-off figure: accuracy against leakage, one mark per defence."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from ...core.results import Row
from ..numbers import attacker_title, finite, percent, show
from ..view import Standing, View
from .point_labels import Box, Labelled, name_points
from .svg import DASHED, DOTTED, INK, MARK, MUTED, Plot, Point, ends_of, even_ticks, rate_ticks, tone


@dataclass(frozen=True)
class Mark:
    """Where one defence stands against one kind of attacker."""

    standing: Standing
    tpr: Row
    accuracy: Row

    @property
    def defence(self) -> str:
        """The study's label."""
        return self.standing.defence

    @property
    def hollow(self) -> bool:
        """Non-adaptive attacks are drawn hollow."""
        return self.standing.adaptive is False

    @property
    def at(self) -> Point:
        """The place in the figure."""
        return self.tpr.value, self.accuracy.value

    def ends(self) -> tuple[float, float]:
        """The TPR's interval, or twice its value where there is none."""
        lo, hi = self.tpr.lo, self.tpr.hi
        return lo if finite(lo) else self.tpr.value, hi if finite(hi) else self.tpr.value

    @property
    def told(self) -> str:
        """The mark in words."""
        attacker = attacker_title(not self.hollow)
        return f"{self.defence}, {attacker} attack: accuracy {show(self.accuracy)}, TPR {show(self.tpr)}"


def marks_of(view: View) -> Iterator[Mark]:
    """A mark for each defence and kind of attacker with a TPR and an accuracy."""
    for defence in view.defences:
        accuracy = view.row("accuracy", defence)
        for standing in reversed(view.standings[defence]):  # non-adaptive ones lie beneath
            tpr = standing.tpr
            if tpr is not None and accuracy is not None and finite(tpr.value) and finite(accuracy.value):
                yield Mark(standing, tpr, accuracy)


def tradeoff(view: View, narrow: bool = False) -> Markup | None:
    """Accuracy against TPR at the lowest FPR resolved; None with fewer than two defences to compare."""
    marks = [m for m in marks_of(view) if m.defence in view.drawn]
    if len({m.defence for m in marks}) < 2 or view.low_fpr is None:
        return None
    width, height = (372.0, 420.0) if narrow else (760.0, 440.0)
    plot = Plot(width, height, left=52, right=16, top=28, bottom=44)
    low = min([view.low_fpr, *(m.tpr.value for m in marks if m.tpr.value > 0)]) / 2
    plot.across(low, min(1.0, max(4 * view.low_fpr, 2.5 * max(m.ends()[1] for m in marks))), math.log10)
    plot.up(*ends_of(((m.accuracy.value, m.accuracy.lo, m.accuracy.hi) for m in marks), pad=0.12))
    x, y = plot.x, plot.y
    title = f"members found (TPR) at {percent(view.low_fpr)} FPR"
    plot.axes(rate_ticks(x.low, x.high), even_ticks(y.low, y.high, lambda v: percent(round(v, 6))), title)
    plot.line([(view.low_fpr, y.low), (view.low_fpr, y.high)], MUTED, dash=DOTTED)
    plot.text(x(view.low_fpr) + 4, plot.frame[3] - 5, "chance")
    plot.text(6, 16, "accuracy")
    plot.text(plot.frame[2], 16, "better: up and left", anchor="end")
    baselines = [m.at for m in marks if m.defence in view.baselines and not m.hollow]
    plot.line(sorted(baselines, key=lambda at: at[1]), MUTED, dash=DASHED)
    _draw(plot, view, marks)
    _name(plot, marks)
    return plot.svg(f"Accuracy against leakage. {'; '.join(m.told for m in marks)}.")


def _draw(plot: Plot, view: View, marks: list[Mark]) -> None:
    """The intervals, and over them the marks; a mark that lies beneath others is larger."""
    for m in marks:
        ink, ends = tone(view.series(m.defence)), [(end, m.at[1]) for end in m.ends()]
        plot.line(ends, ink, 1.0 if m.hollow else 1.8)
        if not m.hollow and finite(m.accuracy.lo) and finite(m.accuracy.hi):
            plot.line([(m.at[0], m.accuracy.lo), (m.at[0], m.accuracy.hi)], ink, 1.8)
        hidden = [other.at for other in marks if other.defence == m.defence and other.hollow > m.hollow]
        plot.line([m.at, *hidden] if hidden else [], ink, dash=DOTTED)
    places = [_pixel(plot, m) for m in marks]
    for k, m in enumerate(marks):
        above = sum(math.dist(places[k], other) < MARK / 2 for other in places[k + 1 :])
        plot.mark(*m.at, view.series(m.defence), m.told, m.hollow, size=MARK + 6 * above)


def _name(plot: Plot, marks: list[Mark]) -> None:
    """Direct labels of the filled marks; of hollow ones where a defence has no other."""
    filled = {m.defence for m in marks if not m.hollow}
    named = [m for m in marks if not (m.hollow and m.defence in filled)]
    labels = [Labelled(m.defence, _pixel(plot, m), INK) for m in named]
    others = [_pixel(plot, m) for m in marks if m not in named]
    name_points(plot, labels, others, [bar for m in marks for bar in _bars(plot, m)])


def _pixel(plot: Plot, m: Mark) -> Point:
    return plot.x(m.at[0]), plot.y(m.at[1])


def _bars(plot: Plot, m: Mark) -> list[Box]:
    """Where the mark's intervals are drawn, in pixels."""
    x, y = _pixel(plot, m)
    left, right = (plot.x(end) for end in m.ends())
    top, bottom = (plot.y(v if finite(v) else m.accuracy.value) for v in (m.accuracy.hi, m.accuracy.lo))
    across = (left, y - 1, right, y + 1)
    return [across] if m.hollow else [across, (x - 1, top, x + 1, bottom)]
