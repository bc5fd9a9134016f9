"""The figure at the head of the page: each defence with its interval, chance and the grades, accuracy beside it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

from markupsafe import Markup

from ...core.results import BEST, BEST_WHITE_BOX, BLIND, Row
from ..grades import LIMITS
from ..numbers import attacker_title, finite, metric_title, percent, rate, show, strongest_title
from ..view import MOST_DRAWN, View
from .svg import PAPER, Scale, even_ticks, mark_path, plain_number, rate_ticks, tone

AXIS = 34.0  # pixels: the height of the axis


@dataclass(frozen=True)
class Line:
    """One defence, or one attack on the only one."""

    name: str
    numbers: list[Row]  # of the adaptive attacker, then of the non-adaptive one
    accuracy: str = ""
    strip: Markup | None = None


@dataclass(frozen=True)
class Forest:
    """The figure: its lines, each a strip of an SVG whose places are shares of its width, and the axis."""

    title: str
    lines: list[Line]
    axis: Markup
    accurate: bool
    caption: str
    told: str  # the numbers, to those who do not see the figure


def forest(view: View) -> Forest | None:
    """The defences in the order of their leakage, no defence first; the attacks where there is one model."""
    metric = view.low_tpr or "auc"
    several = sum(bool(each) for each in view.standings.values()) > 1
    lines = list(_defences(view, metric) if several else _attacks(view, metric))
    rows = [row for line in lines for row in line.numbers]
    if not rows:
        return None
    scale = _scale(rows, rate(metric))
    chance = next((row.chance for row in rows if row.chance is not None), None)
    drawn = [replace(line, strip=_strip(line, k, scale, chance, view)) for k, line in enumerate(lines)]
    measured = (
        f"Members found (TPR) at {percent(rate(metric) or 0)} FPR" if view.low_tpr else metric_title(metric)
    )
    return Forest(
        f"{measured}: the strongest attack on each defence"
        if several
        else f"{measured}: the strongest attacks",
        drawn,
        _axis(scale, chance, rate(metric), view),
        any(line.accuracy for line in lines),
        _caption(view, rows, several),
        f"{measured}. " + "; ".join(_told(line) for line in lines) + f". Chance is {_short(chance, metric)}.",
    )


def _defences(view: View, metric: str) -> Iterator[Line]:
    for defence in view.drawn_by_leakage:
        accuracy = view.row("accuracy", defence)
        rows = [s.tpr if metric != "auc" else s.auc for s in view.standings[defence]]
        found = [row for row in rows if row is not None and finite(row.value)]
        yield Line(defence, found, "" if accuracy is None else f"{show(accuracy).value} %")


def _attacks(view: View, metric: str) -> Iterator[Line]:
    by_attack: dict[str, list[Row]] = {}
    for r in view.leakage:
        if (
            (r.metric, r.slice) == (metric, "all")
            and r.attack not in (BLIND, BEST_WHITE_BOX)
            and finite(r.value)
        ):
            by_attack.setdefault(str(r.attack), []).append(r)
    ranked = sorted(by_attack.items(), key=lambda item: (item[0] != BEST, -item[1][0].value))
    for attack, rows in ranked[:MOST_DRAWN]:
        chosen = strongest_title(rows[0])
        yield Line(
            f"{attack} ({chosen})" if chosen else attack, sorted(rows, key=lambda r: r.adaptive is False)
        )


def _scale(rows: Sequence[Row], fpr: float | None) -> Scale:
    """In percent of the strip's width; of a TPR it is logarithmic."""
    ends = [v for r in rows for v in (r.value, r.lo, r.hi) if finite(v)]
    if fpr is None:
        low, high = min(0.48, *ends), max(0.62, *ends)
        room = 0.03 * (high - low)
        return Scale(low - room, min(1.0, high + room), 1, 99)
    low = max(fpr / 4, min([fpr, *(v for v in ends if v > 0)])) / 1.4
    return Scale(low, min(1.0, max(4 * fpr, 1.3 * max(ends))), 1, 99, math.log10)


def _grades(scale: Scale, fpr: float | None) -> list[tuple[str, float, float]]:
    """Where each grade lies: its name and its ends, in percent of the width."""
    found = []
    upper = scale.high
    for grade, limits in LIMITS.items():
        lower = limits.auc if fpr is None else limits.times_fpr * fpr
        if lower < upper:
            found.append((grade.label, scale(lower), scale(upper)))
            upper = lower
    return found


def _strip(line: Line, place: int, scale: Scale, chance: float | None, view: View) -> Markup:
    metric = line.numbers[0].metric if line.numbers else ""
    bands = [] if view.void else _grades(scale, rate(metric))
    parts = [
        f'<rect class="{name}" x="{a:.2f}%" width="{b - a:.2f}%" height="100%"/>' for name, a, b in bands
    ]
    if chance is not None:
        at = f"{scale(chance):.2f}%"
        parts.append(f'<line class="chance" x1="{at}" x2="{at}" y1="0" y2="100%"/>')
    series = view.series(line.name)
    parts += [_mark(line, row, place if series is None else series, scale) for row in reversed(line.numbers)]
    return Markup(f'<svg class="strip line" width="100%">{"".join(parts)}</svg>')


def _mark(line: Line, row: Row, series: int, scale: Scale) -> str:
    """A number with its interval; that of a non-adaptive attacker is hollow and lies lower."""
    hollow, ink = row.adaptive is False, tone(series)
    fill, size, width = (PAPER, 3.2, 1.2) if hollow else (ink, 4.6, 2.4)
    y, bar = "69%" if hollow else "38%" if len(line.numbers) > 1 else "50%", ""
    if finite(row.lo) and finite(row.hi):
        ends = f'x1="{scale(row.lo):.2f}%" x2="{scale(row.hi):.2f}%" y1="{y}" y2="{y}"'
        bar = f'<line {ends} stroke="{ink}" stroke-width="{width}"/>'
    look = f'transform="scale({size})" fill="{fill}" stroke="{ink}" stroke-width=".4"'
    mark = f'<path d="{mark_path(series)}" {look}/>'
    at = f'x="{scale(row.value):.2f}%" y="{y}" overflow="visible"'
    return f"<g><title>{escape(_told(replace(line, numbers=[row])))}</title>{bar}<svg {at}>{mark}</svg></g>"


def _axis(scale: Scale, chance: float | None, fpr: float | None, view: View) -> Markup:
    ticks = (
        even_ticks(scale.low, scale.high, plain_number) if fpr is None else rate_ticks(scale.low, scale.high)
    )
    parts = [
        f'<text x="{scale(value):.2f}%" y="12" text-anchor="middle">{label}</text>' for value, label in ticks
    ]
    names = [] if view.void else [(name, (a + b) / 2) for name, a, b in _grades(scale, fpr) if b - a > 8]
    if chance is not None:
        names.append(("chance", scale(chance)))
    parts += [
        f'<text class="grade" x="{at:.2f}%" y="28" text-anchor="middle">{name}</text>' for name, at in names
    ]
    return Markup(f'<svg class="strip" width="100%" height="{AXIS:g}">{"".join(parts)}</svg>')


def _caption(view: View, rows: Sequence[Row], several: bool) -> str:
    told = "Bars are 95 % intervals."
    if {r.adaptive is False for r in rows} == {True, False}:
        told += " Filled: an attacker who adapts to the defence. Hollow: one who does not."
    if not view.void:
        told += " Shading: the grade that a lower end there gives."
    if several and (more := len(view.defences) - len(view.drawn)) > 0:
        told += (
            f" Drawn are {len(view.drawn)} of {len(view.defences)} defences: those that no other beats in both accuracy"
            f" and leakage, and the extremes; the table lists the other {more}."
        )
    return told


def _told(line: Line) -> str:
    numbers = (
        f"{attacker_title(row.adaptive)} {show(row)}" if row.adaptive is not None else str(show(row))
        for row in line.numbers
    )
    accuracy = f", accuracy {line.accuracy}" if line.accuracy else ""
    return f"{line.name}: {', '.join(numbers)}{accuracy}"


def _short(chance: float | None, metric: str) -> str:
    return "unknown" if chance is None else percent(chance) if metric != "auc" else f"{chance:g}"
