"""The figures of one defence: ROC on two logarithmic axes, leakage of slices."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ...core.results import Curve, Row
from ..numbers import EPSILON, attack_title, attacker_title, finite, metric_title, show, slice_title
from ..view import FEW, View, is_thin
from .point_labels import LETTER
from .svg import DOTTED, FAINT, FONT, INK, MUTED, Plot, ends_of, even_ticks, plain_number, rate_ticks, tone

MOST_SLICES = 30
PROMISE = "4 2"  # the dashes of what DP-SGD promises
SMALL = 150.0  # pixels of a small ROC


def roc(view: View, defence: str) -> Markup | None:
    """Every attack's ROC on a defence, the strongest in colour with its band; None without curves."""
    curves = curves_of(view, defence, "all")
    if not curves:
        return None
    plot, floor = Plot(330.0, 330.0, left=52, right=20, top=10, bottom=42), view.lowest_fpr
    _rates(plot, floor, "false-positive rate", "true-positive rate")
    leading, ink = leading_of(view, defence, curves), tone(view.series(defence))
    for c in curves:
        if c is not leading:
            plot.steps(*_rising(c), FAINT, 0.8, title=_told(view, c))
    _shade(plot, view.nonmembers(defence), floor)
    plot.band(clipped(leading.fpr), clipped(leading.lo), clipped(leading.hi), ink)
    plot.steps(*_rising(leading), ink, 2, title=_told(view, leading))
    promised = _promised(view.row(EPSILON, defence))
    if promised is not None:
        grid = np.geomspace(floor, 1, 100)
        plot.line(zip(grid, promised(grid), strict=True), INK, 1.2, PROMISE)
    _key(plot, leading, len(curves) - 1, ink, promised is not None)
    told = ", ".join(show(s.main).phrase for s in view.standings.get(defence, []))
    return plot.svg(f"ROC of {len(curves)} attacks on {defence}: {told}")


def curves_of(view: View, defence: str, part: str) -> list[Curve]:
    """The curves of a defence on a slice that can be drawn, of attacks without the parameters."""
    found = [c for c in view.results.curves if (c.defence, c.slice) == (defence, part) and len(c.fpr) > 1]
    return [c for c in found if c.attack not in view.white_box_attacks]


def roc_slices(view: View, defence: str) -> list[tuple[str, Markup]]:
    """For each slice that `slices` shows its title and a small ROC, over that of all records."""
    rows = slice_rows(view, defence, "auc")
    found = [
        (r, c)
        for r in rows
        for c in curves_of(view, defence, r.slice)
        if (c.attack, c.adaptive) == (r.attack, r.adaptive)
    ]
    whole = next((c for _, c in found if c.slice == "all"), None)
    ink, floor = tone(view.series(defence)), view.lowest_fpr
    drawn = []
    for r, c in ((r, c) for r, c in found if c.slice != "all"):
        plot = Plot(SMALL, SMALL, left=36, right=8, top=6, bottom=20)
        _rates(plot, floor)
        if whole is not None:
            plot.steps(*_rising(whole), FAINT, 1.2)
        plot.band(clipped(c.fpr), clipped(c.lo), clipped(c.hi), ink)
        plot.steps(*_rising(c), ink, 1.6, title=f"{slice_title(r.slice)}: AUC {show(r)}")
        title = f"{slice_title(r.slice)} · {show(r).value}"
        drawn.append(
            (title, plot.svg(f"ROC of {r.attack} on {defence}, {slice_title(r.slice)}: AUC {show(r)}"))
        )
    return drawn


def _rates(plot: Plot, floor: float, x_title: str = "", y_title: str = "") -> None:
    """Logarithmic axes of rates, and the line of chance."""
    plot.across(floor, 1.0, math.log10)
    plot.up(floor, 1.0, math.log10)
    ticks = rate_ticks(floor, 1.0)
    plot.axes(ticks if x_title else ticks[::2], ticks, x_title, y_title)
    plot.line([(floor, floor), (1.0, 1.0)], MUTED, dash=DOTTED)


def leading_of(view: View, defence: str, curves: list[Curve]) -> Curve:
    """The curve of the strongest attack."""
    shown = [standing.drawn_as for standing in view.standings.get(defence, [])[:1]]
    return next((c for c in curves if (c.attack, c.adaptive) in shown), curves[0])


def clipped(values: list[float], least: float = 0.0) -> list[float]:
    """The rates, with `least` for a lower one and for one that is not finite."""
    return [max(v, least) if finite(v) else least for v in values]


def _rising(c: Curve) -> tuple[list[float], list[float]]:
    return clipped(c.fpr), clipped(c.tpr)


def _told(view: View, c: Curve) -> str:
    """The attack, its kind of attacker and its AUC."""
    kind = "" if c.adaptive is None else f", {attacker_title(c.adaptive)}"
    return f"{c.attack}{kind}: AUC {show(view.row('auc', c.defence, c.attack, c.adaptive, c.slice))}"


def _shade(plot: Plot, n: int | None, floor: float) -> None:
    """Shade the FPR that have fewer than FEW false positives behind them."""
    limit = FEW / n if n else 0.0
    if limit <= floor:
        return
    plot.box(floor, floor, limit, 1.0, MUTED, 0.12)
    for k, text in enumerate((f"fewer than {FEW}", "false positives")):
        plot.text(plot.frame[0] + 5, plot.frame[1] + 14 + 12 * k, text, size=FONT - 1)


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


def _key(plot: Plot, leading: Curve, others: int, ink: str, promised: bool) -> None:
    """What the lines are, in the corner that no ROC above chance enters."""
    lines: list[tuple[str, dict[str, Any]]] = [("chance", {"ink": MUTED, "dash": DOTTED})]
    if promised:
        lines.append(("most that DP allows", {"ink": INK, "width": 1.2, "dash": PROMISE}))
    if others > 0:
        lines.append((f"{others} other attack{'s' * (others > 1)}", {"ink": MUTED}))
    lines.append((attack_title(leading.attack, leading.adaptive is False), {"ink": ink, "width": 2}))
    right, bottom = plot.frame[2:]
    for k, (text, style) in enumerate(lines):
        y = bottom - 12 - 15 * k
        plot.text(right - 32, y + 4, _short(text), INK if style["ink"] == ink else MUTED, anchor="end")
        plot.join((right - 26, y), (right - 6, y), **style)


def slices(view: View, defence: str, metric: str = "auc") -> Markup | None:
    """The strongest attack on every slice of a defence, with intervals; None without slices."""
    rows = slice_rows(view, defence, metric)[: MOST_SLICES + 1]
    if len(rows) < 2:
        return None
    labels = [_short(slice_title(r.slice), 20) for r in rows]
    plot = Plot(330.0, 19.0 * len(rows) + 46, 14 + LETTER * max(map(len, labels)), right=14, top=6, bottom=40)
    every = [r for d in view.drawn for r in slice_rows(view, d, metric)]
    plot.across(*ends_of(((r.value, r.lo, r.hi, r.chance) for r in every), pad=0.04))
    plot.up(len(rows) - 0.5, -0.5)
    ticks = even_ticks(plot.x.low, plot.x.high, plain_number)
    plot.axes(ticks, list(enumerate(labels)), f"{metric_title(metric)} (dotted: chance)")
    series = view.series(defence)
    for value, dash in ((rows[0].value, ""), (rows[0].chance, DOTTED)):
        if value is not None:
            plot.line([(value, -0.5), (value, len(rows) - 0.5)], MUTED if dash else tone(series), 0.8, dash)
    for y, r in enumerate(rows):
        ink = FAINT if is_thin(r) else tone(series)
        if finite(r.lo) and finite(r.hi):
            plot.line([(r.lo, y), (r.hi, y)], ink, 1.8)
        plot.mark(r.value, y, series, f"{slice_title(r.slice)} {show(r)}", r.slice != "all", ink)
    told = ", ".join(f"{slice_title(r.slice)} {show(r)}" for r in rows)
    return plot.svg(f"{metric_title(metric)} on slices of {defence}: {told}")


def slice_rows(view: View, defence: str, metric: str) -> list[Row]:
    """All records first, then the slices in their order, or the leakiest first if they are many."""
    rows = [r for r in view.sliced(defence, metric) if finite(r.value)]
    if len(rows) > MOST_SLICES + 1:
        rows.sort(key=lambda r: -(r.lo if finite(r.lo) else r.value))
    return sorted(rows, key=lambda r: r.slice != "all")


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
