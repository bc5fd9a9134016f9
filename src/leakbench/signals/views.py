"""Views of a record: the same picture, flipped or shifted, asked about again.

Many views of a record tell more than one (Carlini et al. 2022: 18, both mirror images in nine positions).
Tables have only the identity.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

_VIEW = re.compile(
    r"(?P<flip>flip(?:\+(?=shift)|\Z))?(?:shift:(?P<right>-?\d+),(?P<down>-?\d+)|shift(?P<reach>\d+))?"
)


@dataclass(frozen=True)
class View:
    """Mirror an image if `flip`, then move it right and down by so many pixels, with zeros at the edges."""

    flip: bool = False
    right: int = 0
    down: int = 0

    @property
    def name(self) -> str:
        """The name that `parse_views` reads back: `identity`, `flip`, `shift:1,0` or `flip+shift:1,0`."""
        moved = f"shift:{self.right},{self.down}" if self.right or self.down else ""
        return "+".join(filter(None, ["flip" if self.flip else "", moved])) or "identity"

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The view of each record: a new array of the shape of x, images [N, c, h, w] or, unchanged, tables.

        Raises InputError for a flip or a shift of anything but images.
        """
        if self == View():
            return x.copy()
        if x.ndim != 4:
            raise InputError(
                f"view {self.name!r} needs images [N, channels, height, width], got records of shape "
                f"{list(x.shape[1:])}; tables have only the view 'identity'"
            )
        seen = x[..., ::-1] if self.flip else x
        out = np.zeros_like(x)
        h, w = x.shape[2:]
        to_i, from_i = _overlap(self.down, h)
        to_j, from_j = _overlap(self.right, w)
        out[:, :, to_i, to_j] = seen[:, :, from_i, from_j]
        return out


def parse_views(names: str | Iterable[str]) -> tuple[View, ...]:
    """Views by name, without repetition, in the order given.

    `identity`; `flip`; `shift:RIGHT,DOWN` in pixels; `shiftN` for all (2N + 1)^2 shifts by up to N, the
    identity first; and `flip+` before either shift. `["shift1", "flip+shift1"]` are the 18 views of LiRA.
    Raises InputError for anything else.

    >>> [view.name for view in parse_views(["identity", "flip", "shift:0,-2"])]
    ['identity', 'flip', 'shift:0,-2']
    """
    given = [names] if isinstance(names, str) else list(names)
    if not given:
        raise InputError("views must name at least one view, got none; use 'identity'")
    return tuple(dict.fromkeys(itertools.chain.from_iterable(map(_parse, given))))


def _parse(name: str) -> list[View]:
    if name == "identity":
        return [View()]
    match = _VIEW.fullmatch(name)
    if not name or match is None:
        raise InputError(
            f"a view must be 'identity', 'flip', 'shift:RIGHT,DOWN' or 'shiftN' (N a number; "
            f"shifts also after 'flip+'), got {name!r}"
        )
    flip = match["flip"] is not None
    if match["reach"] is not None:
        steps = sorted(range(-int(match["reach"]), int(match["reach"]) + 1), key=abs)
        return [View(flip, right, down) for down in steps for right in steps]
    return [View(flip, int(match["right"] or 0), int(match["down"] or 0))]


def _overlap(by: int, size: int) -> tuple[slice, slice]:
    """Where the shifted image lands, and which part of the old one that is."""
    by = max(-size, min(size, by))
    return slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size - max(by, 0))
