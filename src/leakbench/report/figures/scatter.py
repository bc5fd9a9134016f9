"""Two numbers of each defence against each other, with both intervals."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ...core.results import Row
from ..numbers import finite, scale
from ..view import View
from .point_labels import Labelled, name_points
from .svg import FAINT, FONT, MUTED, colour, figure, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCATTER = (350.0, 300.0)
MOST_NAMED = 12  # points that get their names; more get numbers, which a table explains


def numbered(view: View) -> bool:
    """Whether the points of a figure carry numbers instead of names."""
    return len(view.defences) > MOST_NAMED


def number(view: View, defence: str) -> int:
    """The number of a defence, from 1."""
    return view.defences.index(defence) + 1


def scattered(
    view: View, points: Sequence[tuple[str, Row, Row]], titles: tuple[str, str]
) -> "tuple[Figure, Axes]":
    """A figure with one mark for each (defence, x, y), and `titles` on the axes."""
    width, height = SCATTER
    made, axes = figure(width, height)
    place(axes, width, height, left=50, right=14, top=10, bottom=42)
    _fit(axes, points)
    labelled = []
    for defence, x, y in points:
        tone = MUTED if defence in view.baselines else colour(view.defences.index(defence))
        bar = {"color": tone, "linewidth": 1.0, "alpha": 0.7, "zorder": 2}
        if finite(x.lo) and finite(x.hi):
            axes.plot([x.lo, x.hi], [y.value, y.value], **bar)  # type: ignore[arg-type]
        if finite(y.lo) and finite(y.hi):
            axes.plot([x.value, x.value], [y.lo, y.hi], **bar)  # type: ignore[arg-type]
        axes.plot([x.value], [y.value], "o", color=tone, markersize=6, zorder=3)
        label = str(number(view, defence)) if numbered(view) else defence
        labelled.append(Labelled(label, (x.value, y.value)))
    name_points(axes, labelled, (width, height))
    axes.set_xlabel(titles[0], color=MUTED, fontsize=FONT)
    axes.set_ylabel(titles[1], color=MUTED, fontsize=FONT)
    return made, axes


def _fit(axes: "Axes", points: Sequence[tuple[str, Row, Row]]) -> None:
    """Limits that hold every interval, with room for the labels; ticks in the units of the table."""
    (x0, x1), (y0, y1) = _ends([x for _, x, _ in points]), _ends([y for *_, y in points])
    axes.set_xlim(x0, x1)
    axes.set_ylim(y0, y1)
    axes.locator_params(nbins=5)
    axes.xaxis.set_major_formatter(partial(_tick, points[0][1]))
    axes.yaxis.set_major_formatter(partial(_tick, points[0][2]))
    axes.grid(color=FAINT, linewidth=0.4, alpha=0.5)


def _ends(rows: list[Row]) -> tuple[float, float]:
    ends = [v for r in rows for v in (r.value, r.lo, r.hi) if finite(v)]
    pad = 0.08 * (max(ends) - min(ends)) or 0.01
    return min(ends) - pad, max(ends) + pad


def _tick(row: Row, value: float, _: int | None = None) -> str:
    """A value on the axis of the row's metric: percent where the table has percent."""
    suffix = " %" if scale(row).suffix == " %" else ""
    return f"{value * scale(row).factor:.4g}{suffix}".replace("-", "−")
