"""Accuracy against the AUC of the strongest attack: the entries of a leaderboard that are of one study."""

from collections.abc import Sequence

from markupsafe import Markup

from ...core.results import Row
from ..numbers import finite, percent, show
from .point_labels import Labelled, name_points
from .svg import DOTTED, MUTED, Plot, ends_of, even_ticks, plain_number, tone

Point = tuple[str, Row, Row, bool]  # a defence, its AUC, its accuracy, and whether they may be relied on


def study_plot(points: Sequence[Point], narrow: bool = False) -> Markup:
    """One mark per defence with both intervals; hollow where a number must not be relied on."""
    width, height = (372.0, 340.0) if narrow else (760.0, 440.0)
    plot = Plot(width, height, left=52, right=14, top=26, bottom=44)
    aucs = [(auc.value, auc.lo, auc.hi) for _, auc, _, _ in points]
    plot.across(*ends_of([*aucs, (0.5,)], pad=0.06))
    plot.up(*ends_of(((a.value, a.lo, a.hi) for _, _, a, _ in points), pad=0.1))
    x, y = plot.x, plot.y
    plot.axes(
        even_ticks(x.low, x.high, plain_number),
        even_ticks(y.low, y.high, lambda v: percent(round(v, 6))),
        "AUC of the strongest attack",
    )
    plot.text(6, 14, "accuracy")
    plot.line([(0.5, y.low), (0.5, y.high)], MUTED, dash=DOTTED)
    for index, (_, auc, accuracy, _) in enumerate(points):
        if finite(auc.lo) and finite(auc.hi):
            plot.line([(auc.lo, accuracy.value), (auc.hi, accuracy.value)], tone(index))
        if finite(accuracy.lo) and finite(accuracy.hi):
            plot.line([(auc.value, accuracy.lo), (auc.value, accuracy.hi)], tone(index))
    told = [f"{d}: accuracy {show(accuracy)}, AUC {show(auc)}" for d, auc, accuracy, _ in points]
    for index, (_, auc, accuracy, trusted) in enumerate(points):
        plot.mark(auc.value, accuracy.value, index, told[index], hollow=not trusted)
    name_points(plot, [Labelled(d, (x(auc.value), y(accuracy.value))) for d, auc, accuracy, _ in points])
    return plot.svg(f"Accuracy against leakage. {'; '.join(told)}.")
