"""The trade-off figure: accuracy against leakage, one mark per defence."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...core.results import Row
from ..numbers import finite, percent, show
from ..view import Standing, View
from .point_labels import MARK, Box, Labelled, Point, name_points
from .svg import FONT, INK, MUTED, PAPER, colour, figure, inline, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY = 8  # defences beyond which the figure grows, and only bars of adaptive attackers are drawn


@dataclass(frozen=True)
class Mark:
    """Where one defence stands against one kind of attacker."""

    standing: Standing
    tpr: Row
    accuracy: Row
    tone: str

    @property
    def hollow(self) -> bool:
        """Non-adaptive attacks are drawn hollow."""
        return self.standing.adaptive is False

    def ends(self) -> tuple[float, float]:
        """The TPR's interval, or twice its value where there is none."""
        lo, hi = self.tpr.lo, self.tpr.hi
        return lo if finite(lo) else self.tpr.value, hi if finite(hi) else self.tpr.value


def tradeoff(view: View, narrow: bool = False) -> Markup | None:
    """Accuracy against TPR at the lowest FPR resolved; None with fewer than two defences to compare."""
    marks = list(marks_of(view))
    if len({m.standing.defence for m in marks}) < 2 or view.low_fpr is None:
        return None
    beyond = max(0, len({m.standing.defence for m in marks}) - MANY)
    width, height = (372.0, 400.0) if narrow else (760.0, 420.0)
    height += min(22.0 * beyond, 240.0)
    made, axes = figure(width, height)
    place(axes, width, height, left=52, right=16, top=28, bottom=44)
    floor = min([view.low_fpr, *(m.tpr.value for m in marks if m.tpr.value > 0)]) / 2
    _axes(axes, view.low_fpr, floor, marks)
    _frontier(axes, [m for m in marks if m.standing.defence in view.baselines], floor)
    _draw(axes, marks, floor, bare=beyond > 0)
    _name(axes, marks, floor, (width, height))
    told = "; ".join(
        f"{m.standing.defence}, {'non-adaptive' if m.hollow else 'adaptive'} attack:"
        f" accuracy {show(m.accuracy)}, TPR {show(m.tpr)}"
        for m in marks
    )
    return inline(made, "tradeoff-narrow" if narrow else "tradeoff", f"Accuracy against leakage. {told}.")


def marks_of(view: View) -> Iterator[Mark]:
    """A mark for each defence and kind of attacker with a TPR and an accuracy."""
    for index, defence in enumerate(view.defences):
        accuracy = view.row("accuracy", defence)
        for standing in reversed(view.standings[defence]):  # non-adaptive ones lie beneath
            tpr = standing.tpr
            if tpr is not None and accuracy is not None and finite(tpr.value) and finite(accuracy.value):
                yield Mark(standing, tpr, accuracy, MUTED if defence in view.baselines else colour(index))


def _axes(axes: "Axes", fpr: float, floor: float, marks: list[Mark]) -> None:
    rate_axis(axes, "x", floor, min(1.0, max(4 * fpr, 2.5 * max(m.ends()[1] for m in marks))))
    values = [v for m in marks for v in (m.accuracy.value, m.accuracy.lo, m.accuracy.hi) if finite(v)]
    pad = max(0.12 * (max(values) - min(values)), 0.002)
    axes.set_ylim(min(values) - pad, max(values) + pad)
    axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda v, _: percent(round(v, 6)))
    axes.axvline(fpr, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
    note = {"textcoords": "offset points", "color": MUTED, "fontsize": FONT}
    axes.annotate("chance", (fpr, 0), (4, 5), xycoords=("data", "axes fraction"), **note)  # type: ignore[arg-type]
    axes.annotate("accuracy", (0, 1), (-46, 12), xycoords="axes fraction", **note)  # type: ignore[arg-type]
    axes.annotate("better: up and left", (1, 1), (0, 12), xycoords="axes fraction", ha="right", **note)  # type: ignore[arg-type]
    axes.set_xlabel(f"members found (TPR) at {percent(fpr)} FPR", color=MUTED, fontsize=FONT)


def rate_axis(axes: "Axes", which: str, low: float, high: float) -> None:
    """A logarithmic axis of rates, labelled 0.1 %, 1 %, 10 %; finer where it spans little."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    steps = (1.0,) if high / low > 200 else (1.0, 2.0, 5.0)
    ticks = [step * 10.0**k for k in range(-8, 1) for step in steps if low <= step * 10.0**k <= high]
    axis.set_ticks(ticks, labels=[percent(t) for t in ticks])
    axis.set_ticks([], minor=True)


def _frontier(axes: "Axes", baselines: list[Mark], floor: float) -> None:
    """A line through the baselines: what giving up accuracy buys by itself."""
    ordered = sorted((m for m in baselines if not m.hollow), key=lambda m: m.accuracy.value)
    places = [_place(m, floor) for m in ordered]
    axes.plot(
        *zip(*places, strict=True) if places else ([], []), color=MUTED, linewidth=1, linestyle=(0, (5, 3))
    )


def _draw(axes: "Axes", marks: list[Mark], floor: float, bare: bool) -> None:
    """Marks and their intervals; hollow ones without where `bare`."""
    drawn: list[tuple[float, float]] = []
    for m in reversed(marks):
        x, y = _place(m, floor)
        lo, hi = m.ends()
        line = {"color": m.tone, "linewidth": 1.0 if m.hollow else 1.8, "solid_capstyle": "butt"}
        if not (m.hollow and bare):
            axes.plot([max(lo, floor), max(hi, floor)], [y, y], **line)  # type: ignore[arg-type]
        if not m.hollow and finite(m.accuracy.lo) and finite(m.accuracy.hi):
            axes.plot([x, x], [m.accuracy.lo, m.accuracy.hi], **line)  # type: ignore[arg-type]
        at = tuple(axes.transData.transform((x, y)))
        beneath = sum(abs(at[0] - px) < MARK / 2 and abs(at[1] - py) < MARK / 2 for px, py in drawn)
        drawn.append((float(at[0]), float(at[1])))
        axes.plot(
            [x], [y], "o", color=m.tone, markersize=MARK + 6 * beneath, markeredgewidth=1.6,
            markerfacecolor=PAPER if m.hollow else m.tone, zorder=4 - 0.01 * len(drawn),
        )  # fmt: skip
    for filled in (m for m in marks if not m.hollow):
        for other in (m for m in marks if m.hollow and m.standing.defence == filled.standing.defence):
            ends = [max(filled.tpr.value, floor), max(other.tpr.value, floor)]
            axes.plot(
                ends, [filled.accuracy.value] * 2, color=filled.tone, linewidth=1, linestyle=(0, (1, 2))
            )


def _name(axes: "Axes", marks: list[Mark], floor: float, size: tuple[float, float]) -> None:
    """Direct labels of the filled marks; of hollow ones where a defence has no other."""
    filled = {m.standing.defence for m in marks if not m.hollow}
    named = [m for m in marks if not (m.hollow and m.standing.defence in filled)]
    labels = [
        Labelled(m.standing.defence, _place(m, floor), MUTED if m.tone == MUTED else INK) for m in named
    ]
    others = [_place(m, floor) for m in marks if m not in named]
    name_points(axes, labels, size, others, [bar for m in marks for bar in _bars(axes, m)])


def _place(m: Mark, floor: float) -> Point:
    return max(m.tpr.value, floor), m.accuracy.value


def _bars(axes: "Axes", m: Mark) -> list[Box]:
    """Where the mark's intervals are drawn, in pixels."""
    floor = axes.get_xlim()[0]
    x, y = axes.transData.transform(_place(m, floor))
    left, right = (float(axes.transData.transform((max(end, floor), 1.0))[0]) for end in m.ends())
    ends = (v if finite(v) else m.accuracy.value for v in (m.accuracy.lo, m.accuracy.hi))
    bottom, top = (float(axes.transData.transform((floor, v))[1]) for v in ends)
    across = (left, y - 1, right, y + 1)
    return [across] if m.hollow else [across, (x - 1, bottom, x + 1, top)]
