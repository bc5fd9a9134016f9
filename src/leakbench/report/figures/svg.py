"""Figures of the page as inline SVG, in the page's colours: one drawing serves light, dark and print."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from markupsafe import Markup

from ..numbers import finite, percent

INK, MUTED, FAINT, PAPER = "var(--ink)", "var(--muted)", "var(--faint)", "var(--paper)"
TONES = 8  # colours of the page; a ninth series has the first colour and another shape
FONT, MARK = 11.0, 8.0  # pixels: the size of letters, the diameter of a mark
DOTTED, DASHED = "1 2", "5 3"
SHAPES = (  # of a mark, in units of its radius
    "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z",  # a disc
    "M-.9-.9h1.8v1.8h-1.8z",  # a square
    "M0-1.25 1.25 0 0 1.25-1.25 0z",  # a diamond
    "M0-1.15 1.1.85h-2.2z",  # a triangle
)
Point = tuple[float, float]
Ticks = Sequence[tuple[float, str]]


def tone(index: int | None) -> str:
    """The colour of the index-th series, of which 0 is the undefended model; muted for a series that has none."""
    return MUTED if index is None else f"var(--series-{index % TONES})"


def mark_path(index: int | None) -> str:
    """The shape of the index-th series: with its colour, no other series has it."""
    return SHAPES[(index or 0) // TONES % len(SHAPES)]


@dataclass(frozen=True)
class Scale:
    """Where values lie along an axis, in pixels; values beyond its ends lie at them."""

    low: float
    high: float
    start: float
    end: float
    of: Callable[[float], float] = float  # such as math.log10

    def __call__(self, value: float) -> float:
        """The place of a value."""
        at = min(max(value, min(self.low, self.high)), max(self.low, self.high))
        low, at, high = map(self.of, (self.low, at, self.high))
        return self.start + (at - low) / ((high - low) or 1.0) * (self.end - self.start)


def even_ticks(low: float, high: float, label: Callable[[float], str], most: int = 5) -> Ticks:
    """Round values between the ends, with their labels."""
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw * (1 - 1e-9))
    places = (k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1))
    return [(v, label(round(v, 12))) for v in places]


def rate_ticks(low: float, high: float) -> Ticks:
    """0.1 %, 1 %, 10 % of a logarithmic axis; finer where it spans little."""
    steps = (1.0,) if high / low > 200 else (1.0, 2.0, 5.0)
    ticks = [step * 10.0**k for k in range(-8, 1) for step in steps]
    return [(t, percent(t)) for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]


def plain_number(value: float) -> str:
    """The value on an axis, with a true minus sign."""
    return f"{value:.4g}".replace("-", "−")


def ends_of(rows: Iterable[tuple[float | None, ...]], pad: float) -> Point:
    """The lowest and the highest of all values, with a share of room beyond them."""
    ends = [v for row in rows for v in row if finite(v)]
    room = pad * (max(ends) - min(ends)) or 0.01
    return min(ends) - room, max(ends) + room


class Plot:
    """A drawing with one pair of axes. Places are data values for `x` and `y`, the margins are pixels."""

    def __init__(
        self, width: float, height: float, left: float, right: float, top: float, bottom: float
    ) -> None:
        self.width, self.height = width, height
        self.frame = (left, top, width - right, height - bottom)  # left, top, right, bottom
        self.x = self.y = Scale(0, 1, 0, 1)
        self._parts: list[str] = []

    def across(self, low: float, high: float, of: Callable[[float], float] = float) -> None:
        """Set the scale of x."""
        self.x = Scale(low, high, self.frame[0], self.frame[2], of)

    def up(self, low: float, high: float, of: Callable[[float], float] = float) -> None:
        """Set the scale of y, which grows upwards."""
        self.y = Scale(low, high, self.frame[3], self.frame[1], of)

    def axes(self, x_ticks: Ticks, y_ticks: Ticks, x_title: str = "", y_title: str = "") -> None:
        """Draw the two axes with their ticks and titles."""
        left, top, right, bottom = self.frame
        self._parts.append(f'<path d="M{left:g} {top:g}V{bottom:g}H{right:g}" fill="none" stroke="{MUTED}"/>')
        for value, label in x_ticks:
            self.text(self.x(value), bottom + 15, label, anchor="middle")
        for value, label in y_ticks:
            self.text(left - 6, self.y(value) + 4, label, anchor="end")
        if x_title:
            self.text((left + right) / 2, bottom + 33, x_title, anchor="middle")
        if y_title:
            turn = f' transform="rotate(-90 12 {(top + bottom) / 2:g})"'
            self.text(12, (top + bottom) / 2, y_title, anchor="middle", more=turn)

    def line(
        self, points: Iterable[Point], ink: str, width: float = 1.0, dash: str = "", title: str = ""
    ) -> None:
        """Join points of data values."""
        self._draw(self._path(points), f'fill="none" stroke="{ink}"{_stroke(width, dash)}', title)

    def steps(
        self, xs: Sequence[float], ys: Sequence[float], ink: str, width: float = 1.0, dash: str = "",
        title: str = "",
    ) -> None:  # fmt: skip
        """Draw a line that keeps each y until the next x."""
        self._draw(self._stairs(xs, ys), f'fill="none" stroke="{ink}"{_stroke(width, dash)}', title)

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], ink: str) -> None:
        """Fill between two lines of steps."""
        back = self._stairs(xs, low, forward=False).replace("M", "L", 1)
        self._draw(self._stairs(xs, high) + back + "z", f'fill="{ink}" opacity=".18"')

    def box(
        self, x0: float, y0: float, x1: float, y1: float, ink: str, opacity: float, title: str = ""
    ) -> None:
        """Fill a rectangle between data values."""
        (a, b), (c, d) = sorted((self.x(x0), self.x(x1))), sorted((self.y(y0), self.y(y1)))
        at = f'x="{a:.1f}" y="{c:.1f}" width="{b - a:.1f}" height="{d - c:.1f}"'
        self._parts.append(f'<rect {at} fill="{ink}" opacity="{opacity:g}"{_closed("rect", title)}')

    def mark(
        self, x: float, y: float, index: int | None, title: str, hollow: bool = False, ink: str = "",
        size: float = MARK,
    ) -> None:  # fmt: skip
        """Draw the mark of the index-th series."""
        ink = ink or tone(index)
        at = f'transform="translate({self.x(x):.1f} {self.y(y):.1f}) scale({size / 2:g})"'
        edge = f'fill="{PAPER if hollow else ink}" stroke="{ink}" stroke-width="{3.2 / size:.2g}"'
        self._draw(mark_path(index), f"{at} {edge}", title)

    def join(self, a: Point, b: Point, ink: str, width: float = 1.0, dash: str = "") -> None:
        """Draw a line between two places in pixels."""
        path = f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}"
        self._draw(path, f'stroke="{ink}"{_stroke(width, dash)}')

    def dot(self, at: Point, ink: str, radius: float) -> None:
        """Draw a dot at a place in pixels."""
        self._parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:g}" fill="{ink}"/>')

    def text(
        self, x: float, y: float, text: str, ink: str = MUTED, anchor: str = "start", size: float = FONT,
        more: str = "", title: str = "",
    ) -> None:  # fmt: skip
        """Write at a place in pixels."""
        there = f'x="{x:.1f}" y="{y:.1f}" fill="{ink}" font-size="{size:g}"'
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        told = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(f"<text {there}{where}{more}>{told}{escape(text)}</text>")

    def svg(self, description: str) -> Markup:
        """The drawing as an element; `description` tells its numbers to those who do not see it."""
        head = f'<svg class="plot" role="img" aria-label="{escape(description)}"'
        size = f'width="{self.width:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        return Markup(f"{head} {size}>{''.join(self._parts)}</svg>")

    def _draw(self, path: str, style: str, title: str = "") -> None:
        if not path:
            return
        self._parts.append(f'<path d="{path}" {style}{_closed("path", title)}')

    def _path(self, points: Iterable[Point]) -> str:
        places = [f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points]
        return "M" + "L".join(places) if places else ""

    def _stairs(self, xs: Sequence[float], ys: Sequence[float], forward: bool = True) -> str:
        """Steps in pixels without those that no one can see."""
        places = [(round(self.x(x), 1), round(self.y(y), 1)) for x, y in zip(xs, ys, strict=True)]
        corners = [places[0]]
        for x, y in places[1:]:
            if y != corners[-1][1]:
                corners += [(x, corners[-1][1]), (x, y)]
        corners.append((places[-1][0], corners[-1][1]))
        ordered = corners if forward else corners[::-1]
        text = f"M{ordered[0][0]:g} {ordered[0][1]:g}"
        for before, after in pairwise(ordered):
            text += f"V{after[1]:g}" if after[0] == before[0] else f"H{after[0]:g}"
        return text


def _stroke(width: float, dash: str) -> str:
    return (f' stroke-width="{width:g}"' if width != 1 else "") + (
        f' stroke-dasharray="{dash}"' if dash else ""
    )


def _closed(tag: str, title: str) -> str:
    return f"><title>{escape(title)}</title></{tag}>" if title else "/>"
