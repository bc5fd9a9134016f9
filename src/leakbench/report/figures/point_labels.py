"""Labels of points in a figure, kept off each other and off the points."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .svg import FONT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER, LINE, MARK = 6.2, 14.0, 8.0  # pixels: width of a letter, height of a line, diameter of a mark
NEAR = 13.0  # pixels beyond which a line joins label and point
FARTHEST = 126  # pixels that a label may lie away
Box = tuple[float, float, float, float]  # left, bottom, right, top
Point = tuple[float, float]


@dataclass(frozen=True)
class Labelled:
    """A label, and the data coordinates of its point."""

    label: str
    at: Point
    ink: str = INK


def name_points(
    axes: "Axes",
    points: Sequence[Labelled],
    size: tuple[float, float],
    marks: Sequence[Point] = (),
    bars: Sequence[Box] = (),
) -> None:
    """Write each label where it hides no point and no other label, as near to its own as can be.

    `size` is the figure's width and height in pixels; the limits of the axes must be final. Other `marks` (data
    coordinates) are kept free too; `bars` (pixels) are, where that moves a label by less than a line.
    """
    frame = axes.get_window_extent().extents
    inside = (frame[0], frame[1], min(frame[2] + 10, size[0]), frame[3] + 8)
    taken = [_around(_pixel(axes, at)) for at in [*(p.at for p in points), *marks]]
    for p in sorted(points, key=lambda p: -_pixel(axes, p.at)[1]):
        at = _pixel(axes, p.at)
        box = _cheapest(_places(p.label, at, inside), at, taken, bars)
        taken.append(box)
        _join(axes, box, at)
        axes.annotate(
            p.label, (box[0], box[1] + 3), xycoords="figure pixels", color=p.ink, fontsize=FONT, parse_math=False
        )  # fmt: skip


def _places(label: str, at: Point, inside: Box) -> list[Box]:
    """Where a label may stand: beside its point, then on wider and wider circles, within the axes."""
    length = LETTER * len(label)
    boxes = (
        (a, b, a + length, b + LINE)
        for dx, dy in _circles()
        for a in (at[0] + 6 + dx, at[0] - 6 - length + dx)
        for b in (at[1] - LINE / 2 + dy,)
    )
    kept = [b for b in boxes if _within(b, inside)]
    left = min(max(at[0], inside[0]), inside[2] - length)
    return kept or [(left, at[1] + 4, left + length, at[1] + 4 + LINE)]


def _circles() -> Iterator[Point]:
    for radius in range(0, FARTHEST, 7):
        for angle in range(0, 360, 20 if radius else 360):
            yield radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))


def _cheapest(boxes: Sequence[Box], at: Point, taken: Sequence[Box], bars: Sequence[Box]) -> Box:
    """The place that hides the fewest labels and marks; among these the nearest, where a bar counts a line."""
    away = np.array([math.dist(_nearest(box, at), at) for box in boxes]) + LINE * _overlaps(boxes, bars)
    return boxes[int(np.lexsort((away, _overlaps(boxes, taken)))[0])]


def _join(axes: "Axes", box: Box, at: Point) -> None:
    """A thin line from a point to its label where they are apart."""
    end = _nearest(box, at)
    if math.dist(end, at) > NEAR:
        axes.annotate(
            "", at, end, xycoords="figure pixels", textcoords="figure pixels",
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
        )  # fmt: skip


def _pixel(axes: "Axes", at: Point) -> Point:
    x, y = axes.transData.transform(at)
    return float(x), float(y)


def _around(at: Point) -> Box:
    return at[0] - MARK / 2, at[1] - MARK / 2, at[0] + MARK / 2, at[1] + MARK / 2


def _nearest(box: Box, at: Point) -> Point:
    return min(max(at[0], box[0]), box[2]), min(max(at[1], box[1]), box[3])


def _within(box: Box, frame: Box) -> bool:
    return box[0] > frame[0] and box[1] > frame[1] and box[2] < frame[2] and box[3] < frame[3]


def _overlaps(boxes: Sequence[Box], others: Sequence[Box]) -> NDArray[np.int64]:
    """With how many of the others each box overlaps."""
    a, b = np.array(boxes)[:, None], np.array(others).reshape(-1, 4)[None]
    across = (a[..., 0] < b[..., 2]) & (b[..., 0] < a[..., 2])
    return np.asarray((across & (a[..., 1] < b[..., 3]) & (b[..., 1] < a[..., 3])).sum(axis=1))
