"""Figures for notebooks and papers, as matplotlib axes. pyplot and its global state are not used."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...core.errors import InputError, unknown
from ...core.results import Curve, ResultData, Row
from ..numbers import attacker_title, finite, metric_title, percent, scale, strongest_title
from ..view import View
from .roc import clipped, curves_of, leading_of
from .svg import rate_ticks
from .tradeoff import marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#4d4d4a", "#c8500a", "#0a6cb0", "#00805d", "#b4497f", "#8a6d00", "#2a8fb5", "#6a51a3")
GREY = "#8a8a85"
MARKERS = "os^D"  # of defences beyond the number of colours
MOST_CURVES = len(COLOURS)


def roc_axes(results: ResultData, defence: str | None, ax: "Axes | None") -> "Axes":
    """ROC curves on two logarithmic axes: of the strongest attack on each defence, or of the attacks on one defence.

    The attacks are those with the highest AUC, at most MOST_CURVES; the first has its pointwise 95 % band. Raises
    InputError for an unknown defence, and where there are no curves.
    """
    view = View(results)
    drawn = _of_defences(view) if defence is None and len(view.defences) > 1 else _of_attacks(view, defence)
    if not drawn:
        raise InputError(
            "plot_roc needs results with ROC curves, got none; audit logits, probs, losses or scores"
        )
    axes, floor = ax or _new(), view.lowest_fpr
    for which in ("x", "y"):
        _rate_axis(axes, which, floor, 1.0)
    axes.plot([floor, 1], [floor, 1], color=GREY, linewidth=1, linestyle=":", label="chance")
    for i, (label, curve) in enumerate(drawn[:MOST_CURVES]):
        x = clipped(curve.fpr, floor / 10)
        axes.plot(x, clipped(curve.tpr, floor / 10), drawstyle="steps-post", color=COLOURS[i], label=label)
        if i == 0:
            band = clipped(curve.lo, floor / 10), clipped(curve.hi, floor / 10)
            axes.fill_between(x, *band, step="post", color=COLOURS[i], alpha=0.18, linewidth=0)
    axes.set_xlabel("false-positive rate")
    axes.set_ylabel("true-positive rate")
    _legend(axes, loc="lower right")
    return axes


def tradeoff_axes(results: ResultData, ax: "Axes | None") -> "Axes":
    """Accuracy against the TPR of the strongest attack at the lowest FPR that the data resolve, one mark per defence.

    Marks of non-adaptive attacks are hollow. Raises InputError with fewer than two defences to compare.
    """
    view = View(results)
    marks = list(marks_of(view))
    if len({mark.standing.defence for mark in marks}) < 2 or view.low_fpr is None:
        raise InputError("plot_tradeoff needs a study with two defences or more and their accuracy")
    axes = ax or _new()
    floor = min([view.low_fpr, *(mark.tpr.value for mark in marks if mark.tpr.value > 0)]) / 2
    _rate_axis(axes, "x", floor, min(1.0, max(4 * view.low_fpr, 2.5 * max(mark.ends()[1] for mark in marks))))
    axes.axvline(view.low_fpr, color=GREY, linewidth=1, linestyle=":", label="chance")
    for mark in marks:
        place = view.defences.index(mark.standing.defence)
        label = None if mark.hollow else mark.standing.defence
        accuracy = (
            replace(mark.accuracy, lo=None) if mark.hollow else mark.accuracy
        )  # the filled mark's is the same
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS) % len(MARKERS)]
        _interval(axes, mark.tpr, accuracy, colour, mark.hollow, label, floor, marker)
    axes.yaxis.set_major_formatter(lambda value, _: percent(round(value, 6)))
    axes.set_xlabel(f"TPR of the strongest attack at {percent(view.low_fpr)} FPR")
    axes.set_ylabel("accuracy")
    _legend(axes, loc="best")
    return axes


def attack_axes(results: ResultData, metric: str, defence: str | None, ax: "Axes | None") -> "Axes":
    """A metric of every attack on one defence with its 95 % interval, the highest first.

    Non-adaptive attacks are hollow. Raises InputError for a defence or a metric that is not in the results.
    """
    view = View(results)
    defence = _known(view, defence)
    rows = [
        r
        for r in view.leakage
        if (r.metric, r.defence, r.slice) == (metric, defence, "all") and finite(r.value)
    ]
    if not rows:
        of_attacks = {r.metric for r in view.leakage if r.defence == defence}
        raise unknown(f"metric of attacks on {defence}:", metric, of_attacks)
    rows.sort(key=lambda row: row.value)
    axes = ax or _new(height=max(3.0, 0.9 + 0.22 * len(rows)))
    for y, row in enumerate(rows):
        at = Row("place", float(y))
        _interval(axes, row, at, COLOURS[min(1, view.defences.index(defence))], row.adaptive is False)
    axes.set_yticks(range(len(rows)), labels=[_named(row) for row in rows])
    if rows[0].chance is not None:
        axes.axvline(rows[0].chance, color=GREY, linewidth=1, linestyle=":", label="chance")
        _legend(axes, loc="lower right")
    if scale(rows[0]).suffix == " %":
        axes.xaxis.set_major_formatter(lambda value, _: percent(round(value, 6)))
    axes.set_xlabel(metric_title(metric))
    return axes


def _rate_axis(axes: "Axes", which: str, low: float, high: float) -> None:
    """A logarithmic axis of rates, labelled in percent."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    values, labels = zip(*rate_ticks(low, high), strict=True)
    axis.set_ticks(values, labels=labels)
    axis.set_ticks([], minor=True)


def _of_defences(view: View) -> list[tuple[str, Curve]]:
    each = {defence: curves_of(view, defence, "all") for defence in view.defences}
    return [(defence, leading_of(view, defence, curves)) for defence, curves in each.items() if curves]


def _of_attacks(view: View, defence: str | None) -> list[tuple[str, Curve]]:
    """The curves on a defence, those of the highest AUC first."""
    defence = _known(view, defence)

    def area(curve: Curve) -> float:
        row = view.row("auc", defence, curve.attack, curve.adaptive)
        return -row.value if row is not None and finite(row.value) else 0.0

    found = sorted(curves_of(view, defence, "all"), key=area)
    return [(_called(curve), curve) for curve in found]


def _known(view: View, defence: str | None) -> str:
    """The defence, or the first one where none is named."""
    if defence is not None and defence not in view.defences:
        raise unknown("defence", defence, view.defences)
    return defence or view.defences[0]


def _named(row: Row) -> str:
    return f"{_called(row)} ({strongest_title(row)})" if row.selected else _called(row)


def _called(of: Row | Curve) -> str:
    """The attack, and whether it is a non-adaptive one."""
    return f"{of.attack}, {attacker_title(False)}" if of.adaptive is False else str(of.attack)


def _interval(
    axes: "Axes",
    x: Row,
    y: Row,
    colour: str,
    hollow: bool,
    label: str | None = None,
    floor: float | None = None,
    marker: str = "o",
) -> None:
    """A mark with the intervals of both rows."""
    at = x.value if floor is None else max(x.value, floor)
    axes.errorbar(
        at, y.value, xerr=_arms(x, at, floor), yerr=_arms(y, y.value), fmt=marker, color=colour, label=label,
        markerfacecolor="white" if hollow else colour, markersize=6, elinewidth=1.4, zorder=2 if hollow else 3,
    )  # fmt: skip


def _arms(row: Row, value: float, floor: float | None = None) -> Sequence[Sequence[float]] | None:
    """How far the interval reaches below and above the value."""
    if not (finite(row.lo) and finite(row.hi)):
        return None
    low = row.lo if floor is None else max(row.lo, floor)
    return [[max(0.0, value - low)], [max(0.0, row.hi - value)]]


def _new(height: float = 4.8) -> "Axes":
    """The axes of a new figure, `height` inches high."""
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4, height), layout="constrained").add_subplot()


def _legend(axes: "Axes", **where: Any) -> None:
    for text in axes.legend(frameon=False, **where).get_texts():
        text.set_parse_math(False)
