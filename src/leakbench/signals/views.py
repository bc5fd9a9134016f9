"""Views of a record: the same record, flipped, shifted or perturbed at random, queried again.

Many views of a record tell more than one (Carlini et al. 2022: 18, both mirror images in nine positions).
Of tables there are the identity and perturbations. How often the predicted class survives a perturbation tells how
far the record lies from the decision boundary, from labels alone (Choquette-Choo et al. 2021).
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

MOST_DRAWS = 1000  # of one perturbation
_PERTURBATION = re.compile(r"(?P<kind>noise|flips):(?P<size>\d+(?:\.\d*)?|\.\d+)(?:x(?P<draws>[1-9]\d*))?")

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
                f"{list(x.shape[1:])}; of tables there are 'identity', 'noise:SD' and 'flips:P'"
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


@dataclass(frozen=True)
class Perturbation:
    """Random views of which only the predicted class is kept: `draws` of them, for each record.

    noise: x + size u with u ~ N(0, I), in units of the network's input, so after normalisation.
    flips: each feature of a table that is 0 or 1 becomes 1 - x with probability `size`.
    """

    kind: Literal["noise", "flips"]
    size: float
    draws: int = 1

    @property
    def name(self) -> str:
        """The name of each of its views, `noise:0.4` or `flips:0.1`."""
        return f"{self.kind}:{self.size:g}"


def is_perturbation(name: str) -> bool:
    """Whether a view's name begins as that of a perturbation."""
    return name.startswith(("noise:", "flips:"))


def parse_perturbations(names: Iterable[str]) -> tuple[Perturbation, ...]:
    """Perturbations by name: `noise:SD` and `flips:P`, one draw each, `noise:SDxDRAWS` and `flips:PxDRAWS`.

    Raises InputError for anything else, and for one that is named twice.

    >>> [perturbation.draws for perturbation in parse_perturbations(["noise:0.4x24", "flips:0.1"])]
    [24, 1]
    """
    found = [_perturbation(name) for name in names]
    called = [each.name for each in found]
    twice = next((name for name in called if called.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"views must name each perturbation once, got {twice!r} twice; write '{twice}x24' for 24 draws"
        )
    return tuple(found)


def _perturbation(name: str) -> Perturbation:
    match = _PERTURBATION.fullmatch(name)
    draws = int(match["draws"] or 1) if match and len(match["draws"] or "") < 9 else 0
    size = float(match["size"]) if match else 0.0
    if (
        match is None
        or not 0 < size < np.inf
        or (match["kind"] == "flips" and size > 0.5)
        or not 0 < draws <= MOST_DRAWS
    ):
        raise InputError(
            f"a perturbation must be 'noise:SD' with SD above 0 or 'flips:P' with P in (0, 0.5], and 'x' with 1 to "
            f"{MOST_DRAWS} draws, such as 'noise:0.4x24', got {name!r}"
        )
    return Perturbation("noise" if match["kind"] == "noise" else "flips", size, draws)


def distance(name: str) -> str:
    """What views as far from the record as this one have in common: flip and largest shift, or else the name.

    >>> [distance(name) for name in ("identity", "shift:-1,2", "flip+shift:0,1", "noise:0.4", "blur")]
    ['identity', 'shift2', 'flip+shift1', 'noise:0.4', 'blur']
    """
    match = _VIEW.fullmatch(name)
    if not name or match is None or match["reach"] is not None:
        return name
    reach = max(abs(int(match["right"] or 0)), abs(int(match["down"] or 0)))
    moved = f"shift{reach}" if reach else ""
    return "+".join(filter(None, ["flip" if match["flip"] else "", moved])) or "identity"


def _parse(name: str) -> list[View]:
    if name == "identity":
        return [View()]
    match = _VIEW.fullmatch(name)
    if not name or match is None:
        raise InputError(
            f"a view must be 'identity', 'flip', 'shift:RIGHT,DOWN' or 'shiftN' (N a number; "
            f"shifts also after 'flip+'), or a perturbation such as 'noise:0.4x24' or 'flips:0.1x24', got {name!r}"
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
