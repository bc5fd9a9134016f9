"""Labels of points in a figure, kept off each other and off the points."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .svg import INK, MARK, MUTED, Plot, Point

LETTER, LINE = 6.2, 14.0  # pixels: the width of a letter, the height of a line
NEAR = 13.0  # pixels beyond which a line joins label and point
FARTHEST = 126  # pixels that a label may lie away
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Labelled:
    """A label, and the place of its point in pixels."""

    label: str
    at: Point
    ink: str = INK


def name_points(
    plot: Plot, points: Sequence[Labelled], marks: Sequence[Point] = (), bars: Sequence[Box] = ()
) -> None:
    """Write each label where it hides no point and no other label, as near to its own as can be.

    Other `marks` are kept free too; `bars` are, where that moves a label by less than a line. All are in pixels.
    """
    left, top, right, bottom = plot.frame
    inside = (left, top - 8, min(right + 10, plot.width), bottom)
    taken = [_around(at) for at in [*(p.at for p in points), *marks]]
    for p in sorted(points, key=lambda p: p.at[1]):
        box = _cheapest(_places(p.label, p.at, inside), p.at, taken, bars)
        taken.append(box)
        end = _nearest(box, p.at)
        if math.dist(end, p.at) > NEAR:
            plot.join(end, p.at, MUTED, 0.6)
        plot.text(box[0], box[3] - 3, p.label, p.ink)


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
    return kept or [(left, at[1] - 4 - LINE, left + length, at[1] - 4)]


def _circles() -> Iterator[Point]:
    for radius in range(0, FARTHEST, 7):
        for angle in range(0, 360, 20 if radius else 360):
            yield radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))


def _cheapest(boxes: Sequence[Box], at: Point, taken: Sequence[Box], bars: Sequence[Box]) -> Box:
    """The place that hides the fewest labels and marks; among these the nearest, where a bar counts a line."""
    away = np.array([math.dist(_nearest(box, at), at) for box in boxes]) + LINE * _overlaps(boxes, bars)
    return boxes[int(np.lexsort((away, _overlaps(boxes, taken)))[0])]


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
