"""Labels of points in a figure, kept off each other and off the points."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .svg import FONT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER, LINE, MARK, NEAR = 6.0, 13.0, 7.0, 12.0  # pixels; beyond NEAR a line joins label and point
Box = tuple[float, float, float, float]  # left, bottom, right, top
Point = tuple[float, float]


@dataclass(frozen=True)
class Labelled:
    """A label and the data coordinates of its point."""

    label: str
    at: Point


def name_points(axes: "Axes", points: list[Labelled], size: tuple[float, float]) -> None:
    """Write each label where it hides no point and no other label, as near to its own as can be.

    `size` is the figure's width and height in pixels; the limits of the axes must be final.
    """
    left, bottom, right, top = axes.get_window_extent().extents
    pixels = [tuple(map(float, axes.transData.transform(p.at))) for p in points]
    taken: list[Box] = [(x - MARK / 2, y - MARK / 2, x + MARK / 2, y + MARK / 2) for x, y in pixels]
    for p, (x, y) in sorted(zip(points, pixels, strict=True), key=lambda item: -item[1][1]):
        length = LETTER * len(p.label)
        boxes = [
            (a, b, a + length, b + LINE)
            for radius in range(0, 120, 7)
            for angle in range(0, 360, 20 if radius else 360)
            for a in (
                x + 6 + radius * math.cos(math.radians(angle)),
                x - 6 - length + radius * math.cos(math.radians(angle)),
            )
            for b in (y - LINE / 2 + radius * math.sin(math.radians(angle)),)
            if a > left and a + length < min(right + 10, size[0]) and b > bottom and b + LINE < top + 8
        ] or [
            (
                min(max(x, left), right - length),
                y + 4,
                min(max(x, left), right - length) + length,
                y + 4 + LINE,
            )
        ]
        box = min(
            boxes, key=lambda b: (sum(_overlap(b, t) for t in taken), math.dist(_nearest(b, (x, y)), (x, y)))
        )
        taken.append(box)
        _join(axes, box, (x, y))
        axes.annotate(
            p.label,
            (box[0], box[1] + 3),
            xycoords="figure pixels",
            color=INK,
            fontsize=FONT,
            parse_math=False,
        )


def _join(axes: "Axes", box: Box, at: Point) -> None:
    end = _nearest(box, at)
    if math.dist(end, at) > NEAR:
        axes.annotate(
            "", at, end, xycoords="figure pixels", textcoords="figure pixels",
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
        )  # fmt: skip


def _nearest(box: Box, at: Point) -> Point:
    return min(max(at[0], box[0]), box[2]), min(max(at[1], box[1]), box[3])


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
