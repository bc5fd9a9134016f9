"""The figures of one defence: ROC on two logarithmic axes, leakage of slices."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ...core.results import Curve, Row
from ..numbers import EPSILON, attack_title, finite, metric_title, show, slice_title
from ..view import FEW, View, is_thin
from .point_labels import LETTER
from .svg import FAINT, FONT, INK, MUTED, PAPER, colour, figure, inline, place, plain
from .tradeoff import rate_axis, tradeoff

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["roc", "roc_slices", "slices", "tradeoff"]

MOST_SLICES = 30
PROMISE = (0, (4, 2))  # the dashes of what DP-SGD promises
SMALL, SMALL_ACROSS = 150.0, 5  # pixels of a small ROC, and how many stand in a row


def roc(view: View, defence: str) -> Markup | None:
    """Every attack's ROC on a defence, the strongest in colour with its band; None without curves."""
    curves = curves_of(view, defence, "all")
    if not curves:
        return None
    width = height = 330.0
    made, axes = figure(width, height)
    place(axes, width, height, left=52, right=20, top=10, bottom=42)
    floor = floor_of(view)
    _rates(axes, floor)
    axes.set_xlabel("false-positive rate", color=MUTED, fontsize=FONT)
    axes.set_ylabel("true-positive rate", color=MUTED, fontsize=FONT)
    leading = leading_of(view, defence, curves)
    for c in curves:
        if c is not leading:
            _line(axes, c, floor, color=FAINT, linewidth=0.8)
    tone = colour(view.defences.index(defence))
    _shade(axes, view.nonmembers(defence), floor)
    _band(axes, leading, floor, tone)
    _line(axes, leading, floor, color=tone, linewidth=2)
    promised = _promised(view.row(EPSILON, defence))
    if promised is not None:
        grid = np.geomspace(floor, 1, 200)
        axes.plot(grid, promised(grid), color=INK, linewidth=1.2, linestyle=PROMISE)
    _key(axes, leading, len(curves) - 1, tone, promised is not None)
    told = ", ".join(show(s.main).phrase for s in view.standings.get(defence, []))
    return inline(
        made, f"roc-{view.defences.index(defence)}", f"ROC of {len(curves)} attacks on {defence}: {told}"
    )


def curves_of(view: View, defence: str, part: str) -> list[Curve]:
    """The curves of a defence on a slice that can be drawn, of attacks without the parameters."""
    found = [c for c in view.results.curves if (c.defence, c.slice) == (defence, part) and len(c.fpr) > 1]
    return [c for c in found if c.attack not in view.white_box_attacks]


def roc_slices(view: View, defence: str) -> Markup | None:
    """A small ROC for each slice that `slices` shows, over that of all records; None without such curves."""
    rows = slice_rows(view, defence, "auc")
    found = [
        (r, c)
        for r in rows
        for c in curves_of(view, defence, r.slice)
        if (c.attack, c.adaptive) == (r.attack, r.adaptive)
    ]
    whole = next((c for _, c in found if c.slice == "all"), None)
    parts = [(r, c) for r, c in found if c.slice != "all"]
    if not parts:
        return None
    across = min(SMALL_ACROSS, len(parts))
    width, height = SMALL * across, (SMALL + 18) * -(-len(parts) // across) + 16
    made, first = figure(width, height)
    first.remove()
    tone, floor = colour(view.defences.index(defence)), floor_of(view)
    for k, (r, c) in enumerate(parts):
        below, column = divmod(k, across)
        axes = plain(made.add_axes((0, 0, 1, 1)))
        top = (SMALL + 18) * below + 18
        right = width - SMALL * (column + 1) + 8
        place(axes, width, height, SMALL * column + 34, right, top, height - top - SMALL + 32)
        _small(axes, c, whole, floor, tone, labels=(column == 0, k + across >= len(parts)))
        auc = f" · {show(r).value}"
        title = _short(slice_title(r.slice), 20 - len(auc)) + auc
        axes.set_title(title, fontsize=FONT, color=INK, loc="left", pad=4, parse_math=False)
    told = ", ".join(f"{slice_title(r.slice)} AUC {show(r)}" for r, _ in parts)
    number = view.defences.index(defence)
    return inline(made, f"roc-slices-{number}", f"ROC of {rows[0].attack} on slices of {defence}: {told}")


def _small(
    axes: "Axes", c: Curve, whole: Curve | None, floor: float, tone: str, labels: tuple[bool, bool]
) -> None:
    """One slice's ROC; `labels` says whether the y axis and the x axis are labelled."""
    _rates(axes, floor)
    for axis, labelled in zip((axes.yaxis, axes.xaxis), labels, strict=True):
        axis.set_tick_params(labelleft=labelled, labelbottom=labelled, labelsize=FONT - 2)
    if whole is not None:
        _line(axes, whole, floor, color=FAINT, linewidth=1.2)
    _band(axes, c, floor, tone)
    _line(axes, c, floor, color=tone, linewidth=1.6)


def _rates(axes: "Axes", floor: float) -> None:
    """Logarithmic axes of rates, and the line of chance."""
    rate_axis(axes, "x", floor, 1.0)
    rate_axis(axes, "y", floor, 1.0)
    axes.plot([floor, 1], [floor, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))


def _band(axes: "Axes", c: Curve, floor: float, tone: str) -> None:
    x, lo, hi = (clipped(limits, floor) for limits in (c.fpr, c.lo, c.hi))
    axes.fill_between(x, lo, hi, step="post", color=tone, alpha=0.18, linewidth=0)


def floor_of(view: View) -> float:
    """The smallest FPR that any curve takes; the same for every defence."""
    smallest = min((f for c in view.results.curves for f in c.fpr if finite(f) and f > 0), default=0.1)
    return min(0.1, max(1e-7, smallest))


def leading_of(view: View, defence: str, curves: list[Curve]) -> Curve:
    """The curve of the strongest attack."""
    shown = [standing.drawn_as for standing in view.standings.get(defence, [])[:1]]
    return next((c for c in curves if (c.attack, c.adaptive) in shown), curves[0])


def clipped(values: list[float], floor: float) -> list[float]:
    """The rates, with one below the axis where a rate is 0 or not finite."""
    return [max(v, floor / 10) if finite(v) else floor / 10 for v in values]


def _line(axes: "Axes", c: Curve, floor: float, **style: Any) -> None:
    axes.plot(clipped(c.fpr, floor), clipped(c.tpr, floor), drawstyle="steps-post", **style)


def _shade(axes: "Axes", n: int | None, floor: float) -> None:
    """Shade the FPR that have fewer than FEW false positives behind them."""
    limit = FEW / n if n else 0.0
    if limit <= floor:
        return
    axes.axvspan(floor, min(limit, 1.0), color=MUTED, alpha=0.12, linewidth=0)
    axes.text(
        floor * 1.15, 0.6, f"fewer than {FEW}\nfalse positives", color=MUTED, fontsize=FONT - 1, va="top"
    )


def _promised(row: Row | None) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    """The largest TPR at an FPR that the (delta, epsilon) of DP-SGD allow; None without them.

    Formula: min over them of e^epsilon FPR + delta and of 1 - e^-epsilon (1 - delta - FPR)
    Source:  Kairouz, Oh and Viswanath 2015, theorem 2.1, arXiv 1311.0776
    """
    pairs = np.array([] if row is None else row.detail.get("promise", []), dtype=np.float64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.isfinite(pairs).all():
        return None
    delta, epsilon = pairs.T[:, :, None]
    return lambda fpr: (
        np.minimum(np.exp(np.minimum(epsilon, 700)) * fpr + delta, 1 - np.exp(-epsilon) * (1 - delta - fpr))
        .min(axis=0)
        .clip(0, 1)
    )


def _key(axes: "Axes", leading: Curve, others: int, tone: str, promised: bool) -> None:
    """What the lines are, in the corner that no ROC above chance enters."""
    lines: list[tuple[str, str, Any, float]] = [
        (attack_title(leading.attack, leading.adaptive is False), tone, "-", 2)
    ]
    if others > 0:
        lines.append((f"{others} other attack{'s' * (others > 1)}", MUTED, "-", 1))
    if promised:
        lines.append(("most that DP allows", INK, PROMISE, 1.2))
    lines.append(("chance", MUTED, ":", 1))
    for k, (text, ink, style, weight) in enumerate(reversed(lines)):
        y = 0.04 + 0.055 * k
        axes.plot([0.9, 0.97], [y, y], transform=axes.transAxes, color=ink, linestyle=style, linewidth=weight)
        shade = INK if ink == tone else MUTED
        at = {"transform": axes.transAxes, "ha": "right", "va": "center", "parse_math": False}
        axes.text(0.88, y, _short(text), fontsize=FONT, color=shade, **at)  # type: ignore[arg-type]


def slices(view: View, defence: str, metric: str = "auc") -> Markup | None:
    """The strongest attack on every slice of a defence, with intervals; None without slices."""
    rows = slice_rows(view, defence, metric)[: MOST_SLICES + 1]
    if len(rows) < 2:
        return None
    width, step = 330.0, 19.0
    height = step * len(rows) + 46
    made, axes = figure(width, height)
    labels = [_short(slice_title(r.slice), 20) for r in rows]
    place(axes, width, height, left=14 + LETTER * max(map(len, labels)), right=14, top=6, bottom=40)
    tone = colour(view.defences.index(defence))
    for y, r in enumerate(rows):
        ink = FAINT if is_thin(r) else tone
        if finite(r.lo) and finite(r.hi):
            axes.plot([r.lo, r.hi], [y, y], color=ink, linewidth=1.8, solid_capstyle="butt")
        fill = tone if r.slice == "all" else PAPER
        axes.plot([r.value], [y], "o", color=ink, markerfacecolor=fill, markersize=6, markeredgewidth=1.6)
    axes.axvline(rows[0].value, color=tone, linewidth=0.8, alpha=0.6, zorder=0)
    if rows[0].chance is not None:
        axes.axvline(rows[0].chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=0)
    axes.set_xlim(*_limits(view, metric))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), labels=labels)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:.4g}".replace("0.", ".", 1))
    axes.set_xlabel(f"{metric_title(metric)} (dotted: chance)", color=MUTED, fontsize=FONT)
    told = ", ".join(f"{slice_title(r.slice)} {show(r)}" for r in rows)
    return inline(
        made,
        f"slices-{view.defences.index(defence)}",
        f"{metric_title(metric)} on slices of {defence}: {told}",
    )


def slice_rows(view: View, defence: str, metric: str) -> list[Row]:
    """All records first, then the slices in their order, or the leakiest first if they are many."""
    rows = [r for r in view.sliced(defence, metric) if finite(r.value)]
    if len(rows) > MOST_SLICES + 1:
        rows.sort(key=lambda r: -(r.lo if finite(r.lo) else r.value))
    return sorted(rows, key=lambda r: r.slice != "all")


def _limits(view: View, metric: str) -> tuple[float, float]:
    """The same axis for every defence: all values and intervals that are not thin, and chance."""
    rows = [r for d in view.defences for r in slice_rows(view, d, metric)]
    ends = [v for r in rows for v in (r.value, r.lo, r.hi, r.chance) if finite(v)]
    pad = 0.04 * (max(ends) - min(ends)) or 0.01
    return min(ends) - pad, max(ends) + pad


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
