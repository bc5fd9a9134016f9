"""Resizing images one at a time, so that files of different sizes may come together."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .dataset import Indices

Floats = NDArray[np.float32]


def resized(take: Callable[[Indices], Floats], rows: Indices, size: int) -> Floats:
    """The images at `rows` as [n, channels, size, size], bilinear with antialiasing as Pillow does it.

    Three channels if any image has colour. `take` gives the images at some rows in 0..1; the numbers are not
    rounded to 8 bits on the way. Raises InputError for a table.
    """
    images = [_resize(take(rows[i : i + 1]), size) for i in range(len(rows))]
    out = np.empty((len(images), max(map(len, images)), size, size), np.float32)
    for place, image in zip(out, images, strict=True):
        place[...] = image  # a grey image fills the three channels
    return out


def _resize(batch: Floats, size: int) -> Floats:
    """The only image of [1, channels, height, width] as [channels, size, size]."""
    from PIL import Image

    if batch.ndim != 4:
        raise InputError(f"resize is for images, got records of {list(batch.shape[1:])}; leave it out")
    filter = Image.Resampling.BILINEAR
    planes: list[Any] = [Image.fromarray(plane).resize((size, size), filter) for plane in batch[0]]
    return np.stack([np.asarray(plane, np.float32) for plane in planes])
